import type proto from "@pulumi/pulumi/proto/resource_pb.js";

import { fromStruct } from "./wire.ts";
import { refusal } from "./errors.ts";
import type { Goal } from "./resource-state.ts";
import { hasAsset } from "./values.ts";
import type { Props } from "./values.ts";

/** The request of one registration. */
type RegisterRequest = proto.RegisterResourceRequest;

/**
 * The options of the request that the engine does not support, by the name that a program uses. Each would change what happens
 * to resources, so none is passed over.
 */
function unsupportedOptions(request: RegisterRequest): readonly string[] {
  const hooks = request.getHooks()?.toObject() ?? {};
  const asked: Readonly<Record<string, boolean>> = {
    aliases: request.getAliasesList().length > 0 || request.getAliasurnsList().length > 0,
    deletedWith: request.getDeletedwith() !== "",
    replaceOnChanges: request.getReplaceonchangesList().length > 0,
    replaceWith: request.getReplaceWithList().length > 0,
    replacementTrigger: request.hasReplacementTrigger(),
    transforms: request.getTransformsList().length > 0,
    stateMigrations: request.getStateMigrationsList().length > 0,
    customTimeouts: Object.values(request.getCustomtimeouts()?.toObject() ?? {}).some((text) => text !== ""),
    hooks: Object.values(hooks).some((names) => Array.isArray(names) && names.length > 0),
    envVarMappings: request.getEnvvarmappingsMap().getLength() > 0,
    "remote components": request.getRemote(),
    "parameterized packages": request.getPackageref() !== "",
    "assets and archives": hasAsset(inputsOf(request)),
  };
  return Object.keys(asked).filter((name) => asked[name]);
}

/** The inputs of the request. */
function inputsOf(request: RegisterRequest): Props {
  return fromStruct(request.getObject()) ?? {};
}

/**
 * The goal of a registration whose provider reference is known; what the parent's goal says is inherited (source_eval.go,
 * inheritFromParent).
 */
export function parseGoal(request: RegisterRequest, urn: string, parent: Goal | undefined, provider: string): Goal {
  const unsupported = unsupportedOptions(request);
  if (unsupported.length > 0) throw refusal(`${urn} uses ${unsupported.join(", ")}`);
  const propertyDependencies: Record<string, readonly string[]> = {};
  request.getPropertydependenciesMap().forEach((deps, key) => {
    propertyDependencies[key] = deps.getUrnsList();
  });
  return {
    urn,
    type: request.getType(),
    custom: request.getCustom(),
    inputs: inputsOf(request),
    parent: request.getParent(),
    protect: request.hasProtect() ? request.getProtect() : parent?.protect,
    retainOnDelete: request.hasRetainondelete() ? request.getRetainondelete() : parent?.retainOnDelete,
    dependencies: request.getDependenciesList(),
    propertyDependencies,
    provider,
    ignoreChanges: request.getIgnorechangesList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    importId: request.getImportid(),
  };
}
