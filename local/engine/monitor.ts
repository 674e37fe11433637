import * as grpc from "@grpc/grpc-js";
import engineService from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineProto from "@pulumi/pulumi/proto/engine_pb.js";
import monitorService from "@pulumi/pulumi/proto/resource_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/resource_pb.js";
import emptyProto from "google-protobuf/google/protobuf/empty_pb.js";

import type { DefaultProviders } from "./default-providers.ts";
import { CHANNEL, fromStruct, toStruct } from "./wire.ts";
import { EngineError, messageOf, refusal } from "./errors.ts";
import type { Severity } from "./events.ts";
import { parseGoal } from "./goal.ts";
import type { Goal, ResourceState } from "./resource-state.ts";
import { failRun } from "./run.ts";
import type { Run } from "./run.ts";
import { hasProvider } from "./resource-state.ts";
import { isProviderType, makeUrn, STACK_TYPE } from "./urn.ts";
import type { Props } from "./values.ts";

/** What the program asks for, one call for each thing; the answers come when it is done. */
interface ProgramRequests {
  readonly register: (goal: Goal) => Promise<ResourceState>;
  readonly registerOutputs: (urn: string, outputs: Props) => Promise<void>;
}

/** The two services that the SDK calls, on loopback addresses of their own. */
interface Monitor {
  readonly address: string;
  /** Ends the services; calls that wait are broken off. */
  readonly close: () => void;
}

const feature = proto.ResourceMonitorFeature;
const FEATURES = [
  feature.RESOURCE_MONITOR_FEATURE_SECRETS,
  feature.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
  // What follows is said to be supported so that the SDK sends it, and the engine can refuse it by name.
  feature.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
  feature.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
  feature.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
  feature.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
  feature.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
  feature.RESOURCE_MONITOR_FEATURE_PARAMETERIZATION,
  feature.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
  feature.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
  feature.RESOURCE_MONITOR_FEATURE_STATE_MIGRATIONS,
];

type Handler<Request, Response> = (request: Request) => Promise<Response>;

/** Serves ResourceMonitor and Engine for one run of a program. */
export async function serveMonitor(run: Run, defaults: DefaultProviders, requests: ProgramRequests): Promise<Monitor> {
  const goals = new Map<string, Goal>();
  let rootUrn = "";
  const empty = () => new emptyProto.Empty();

  /** An error ends the run; the SDK takes UNAVAILABLE as the sign that nothing more will be answered. */
  const unary =
    <Request, Response>(handle: Handler<Request, Response>, urnOf: (request: Request) => string = () => "") =>
    (call: grpc.ServerUnaryCall<Request, Response>, done: grpc.sendUnaryData<Response>) => {
      let answered = false;
      const answer = (error: Partial<grpc.StatusObject> | null, response?: Response) => {
        if (answered) return;
        answered = true;
        done(error, response);
      };
      const shutDown = () => {
        answer({ code: grpc.status.UNAVAILABLE, details: "resource monitor shut down" });
      };
      const forget = run.stop.onStop(shutDown);
      Promise.resolve(call.request)
        .then(handle)
        .then(
          (response) => {
            answer(null, response);
          },
          (error: unknown) => {
            failRun(run, error, urnOf(call.request));
            shutDown();
          },
        )
        .finally(forget);
    };
  const refused = (what: string) => unary(() => Promise.reject(refusal(what)));

  const urnOfRequest = (request: proto.RegisterResourceRequest) =>
    makeUrn(run.stack, run.project, request.getParent(), request.getType(), request.getName());

  const register: Handler<proto.RegisterResourceRequest, proto.RegisterResourceResponse> = async (request) => {
    const urn = urnOfRequest(request);
    if (goals.has(urn)) {
      throw new EngineError("program", `the resource ${urn} is declared twice; give one of them another name`);
    }
    const first = parseGoal(request, urn, goals.get(request.getParent()), request.getProvider());
    goals.set(urn, first);
    const goal = hasProvider(first)
      ? { ...first, provider: first.provider || (await defaults.reference(first.type, request.getVersion())) }
      : isProviderType(first.type) && request.getVersion() !== ""
        ? { ...first, inputs: { ...first.inputs, version: request.getVersion() } }
        : first;
    const state = await requests.register({ ...goal, provider: hasProvider(goal) ? goal.provider : "" });
    const response = new proto.RegisterResourceResponse();
    response.setUrn(urn);
    response.setId(state.id ?? "");
    response.setObject(toStruct(state.custom ? (state.outputs ?? {}) : {}));
    return response;
  };

  const server = new grpc.Server(CHANNEL);
  server.addService(monitorService.ResourceMonitorService, {
    getDeploymentInfo: unary(() => {
      const info = new proto.DeploymentInfo();
      info.setProject(run.project);
      info.setStack(run.stack);
      info.setOrganization("organization");
      info.setDryrun(run.dryRun);
      info.setSupportedfeaturesList(FEATURES);
      return Promise.resolve(info);
    }),
    supportsFeature: unary(() => Promise.resolve(new proto.SupportsFeatureResponse())),
    registerResource: unary(register, urnOfRequest),
    registerResourceOutputs: unary(async (request: proto.RegisterResourceOutputsRequest) => {
      await requests.registerOutputs(request.getUrn(), fromStruct(request.getOutputs()) ?? {});
      return empty();
    }),
    signalAndWaitForShutdown: unary(() => Promise.resolve(empty())),
    readResource: unary((request: proto.ReadResourceRequest) =>
      Promise.reject(refusal(`reading the existing resource ${request.getName()} of type ${request.getType()}`)),
    ),
    invoke: unary((request: proto.ResourceInvokeRequest) =>
      Promise.reject(refusal(`the function ${request.getTok()}`)),
    ),
    call: unary((request: proto.ResourceCallRequest) => Promise.reject(refusal(`the method ${request.getTok()}`))),
    registerPackage: unary((request: proto.RegisterPackageRequest) =>
      Promise.reject(refusal(`the parameterized package ${request.getName()}`)),
    ),
    registerStackTransform: refused("a transform of the whole stack"),
    registerStackInvokeTransform: refused("a transform of functions"),
    registerResourceHook: refused("resource hooks"),
    registerErrorHook: refused("error hooks"),
    existsResource: refused("asking whether a resource exists"),
  });
  const severities: readonly (Severity | undefined)[] = [undefined, "info", "warning", "error"];
  server.addService(engineService.EngineService, {
    // The SDK sends each message when the one before it is answered, some for every resource that nobody sees.
    log: (
      { request }: grpc.ServerUnaryCall<engineProto.LogRequest, emptyProto.Empty>,
      done: grpc.sendUnaryData<emptyProto.Empty>,
    ) => {
      const severity = severities[request.getSeverity()];
      if (severity && !request.getEphemeral()) run.events.message(severity, request.getUrn(), request.getMessage());
      done(null, empty());
    },
    getRootResource: unary(() => {
      const response = new engineProto.GetRootResourceResponse();
      response.setUrn(rootUrn);
      return Promise.resolve(response);
    }),
    setRootResource: unary((request: engineProto.SetRootResourceRequest) => {
      rootUrn = request.getUrn();
      return Promise.resolve(new engineProto.SetRootResourceResponse());
    }),
    startDebugging: unary(() => Promise.resolve(empty())),
    requirePulumiVersion: unary(() => Promise.resolve(new engineProto.RequirePulumiVersionResponse())),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error)
        reject(
          new EngineError("provider", `the engine cannot listen on 127.0.0.1: ${messageOf(error)}`, { cause: error }),
        );
      else resolve(bound);
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    close: () => {
      server.forceShutdown();
    },
  };
}

/** The URN of the stack's own resource. */
export function stackUrn(run: Pick<Run, "stack" | "project">): string {
  return makeUrn(run.stack, run.project, "", STACK_TYPE, `${run.project}-${run.stack}`);
}
