import * as grpc from "@grpc/grpc-js";
import statusProto from "@pulumi/pulumi/proto/status_pb.js";
import providerService from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";

import type { DynamicProcess } from "./dynamic-process.ts";
import { EngineError } from "./errors.ts";
import { PartialFailure } from "./provider.ts";
import type { DiffResult, Existing, Provider } from "./provider.ts";
import type { Props } from "./values.ts";
import { CHANNEL, fromStruct, toStruct } from "./wire.ts";

const calls = providerService.ResourceProviderService;
const { DIFF_NONE, DIFF_SOME } = proto.DiffResponse.DiffChanges;

/**
 * The provider of all dynamic resources: one process, which loads meanwhile and is connected to when it is first asked
 * something. It is sent what it reads (cmd/dynamic-provider): old inputs are not among that where there are outputs.
 */
export class DynamicProvider implements Provider {
  readonly #process: DynamicProcess;
  readonly #config: Props;
  #client: Promise<grpc.Client> | undefined;

  /** `config` is what `configure` of a provider sees: the stack's. */
  constructor(process: DynamicProcess, config: Props) {
    this.#process = process;
    this.#config = config;
  }

  async check(urn: string, olds: Props, news: Props) {
    const request = new proto.CheckRequest();
    request.setUrn(urn);
    request.setOlds(toStruct(olds));
    request.setNews(toStruct(news));
    const response = await this.#call(calls.check, request);
    return {
      inputs: fromStruct(response.getInputs()) ?? news,
      failures: response.getFailuresList().map((f) => ({ property: f.getProperty(), reason: f.getReason() })),
    };
  }

  async diff(existing: Existing, news: Props, ignoreChanges: readonly string[]): Promise<DiffResult> {
    const response = await this.#call(calls.diff, comparing(new proto.DiffRequest(), existing, news, ignoreChanges));
    const changes = response.getChanges();
    return {
      changes: changes === DIFF_NONE ? "none" : changes === DIFF_SOME ? "some" : "unknown",
      replaces: response.getReplacesList(),
    };
  }

  async create(urn: string, inputs: Props) {
    const request = new proto.CreateRequest();
    request.setUrn(urn);
    request.setProperties(toStruct(inputs));
    const response = await this.#call(calls.create, request);
    if (response.getId() === "") throw new EngineError("resource", "the provider did not return an id from create");
    return { id: response.getId(), outputs: fromStruct(response.getProperties()) ?? {} };
  }

  async read(existing: Existing) {
    const request = new proto.ReadRequest();
    request.setId(existing.id);
    request.setUrn(existing.urn);
    request.setProperties(toStruct(existing.outputs));
    if (Object.keys(existing.outputs).length === 0) request.setInputs(toStruct(existing.inputs));
    const response = await this.#call(calls.read, request);
    return {
      id: response.getId(),
      inputs: fromStruct(response.getInputs()),
      outputs: fromStruct(response.getProperties()) ?? {},
    };
  }

  async update(existing: Existing, news: Props, ignoreChanges: readonly string[]) {
    const request = comparing(new proto.UpdateRequest(), existing, news, ignoreChanges);
    return fromStruct((await this.#call(calls.update, request)).getProperties()) ?? {};
  }

  async delete(existing: Existing) {
    const request = new proto.DeleteRequest();
    request.setId(existing.id);
    request.setUrn(existing.urn);
    request.setProperties(toStruct(existing.outputs));
    await this.#call(calls.delete, request);
  }

  /** The SDK's process knows no previews: the outputs are the inputs (provider_plugin.go, Create and Update). */
  plannedOutputs(_existing: Existing | undefined, news: Props): Props {
    return news;
  }

  close(): void {
    this.#process.child.kill();
    void this.#client?.then(
      (client) => {
        client.close();
      },
      () => undefined,
    );
  }

  async #call<Request, Response>(method: grpc.MethodDefinition<Request, Response>, request: Request) {
    this.#client ??= connect(this.#process, this.#config);
    try {
      return await ask(await this.#client, method, request);
    } catch (error) {
      if (error instanceof EngineError) throw error;
      const { code, metadata, details } = error as grpc.ServiceError;
      if (code === grpc.status.UNAVAILABLE || code === grpc.status.CANCELLED) throw await this.#process.ended;
      throw partialFailure(metadata) ?? new EngineError("resource", details, { cause: error });
    }
  }
}

async function connect(process: DynamicProcess, config: Props): Promise<grpc.Client> {
  const client = new grpc.Client(`127.0.0.1:${await process.port}`, grpc.credentials.createInsecure(), CHANNEL);
  const request = new proto.ConfigureRequest();
  request.setArgs(toStruct(config));
  request.setAcceptsecrets(true);
  try {
    await ask(client, calls.configure, request);
  } catch (cause) {
    const { details } = cause as grpc.ServiceError;
    throw new EngineError("provider", `the dynamic provider cannot be configured: ${details}`, { cause });
  }
  return client;
}

function ask<Request, Response>(
  client: grpc.Client,
  { path, requestSerialize, responseDeserialize }: grpc.MethodDefinition<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
      if (error) reject(error);
      // Without an error there is a response.
      else resolve(response as Response);
    });
  });
}

/** The request with what exists and what is wanted: `diff` and `update` ask about the same. */
function comparing<Request extends InstanceType<typeof proto.DiffRequest> | InstanceType<typeof proto.UpdateRequest>>(
  request: Request,
  existing: Existing,
  news: Props,
  ignoreChanges: readonly string[],
): Request {
  request.setId(existing.id);
  request.setUrn(existing.urn);
  request.setOlds(toStruct(existing.outputs));
  request.setNews(toStruct(news));
  request.setIgnorechangesList([...ignoreChanges]);
  return request;
}

/** A resource that was made but is not ready comes as a detail of the error (provider.proto, ErrorResourceInitFailed). */
function partialFailure(metadata: grpc.Metadata | undefined): PartialFailure | undefined {
  const [bytes] = metadata?.get("grpc-status-details-bin") ?? [];
  if (!Buffer.isBuffer(bytes)) return undefined;
  for (const detail of statusProto.Status.deserializeBinary(bytes).getDetailsList()) {
    const failed = detail.unpack(
      (b) => proto.ErrorResourceInitFailed.deserializeBinary(b),
      "pulumirpc.ErrorResourceInitFailed",
    );
    if (failed)
      return new PartialFailure(failed.getId(), fromStruct(failed.getProperties()) ?? {}, failed.getReasonsList());
  }
  return undefined;
}
