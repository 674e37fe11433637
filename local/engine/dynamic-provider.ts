import * as grpc from "@grpc/grpc-js";
import statusProto from "@pulumi/pulumi/proto/status_pb.js";
import providerService from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";

import { describeEnding, startNode } from "./child-process.ts";
import type { Child } from "./child-process.ts";
import { EngineError } from "./errors.ts";
import { PartialFailure } from "./provider.ts";
import type { Existing, Provider } from "./provider.ts";
import type { Props } from "./values.ts";
import { fromStruct, MESSAGE_BYTES, toStruct } from "./wire.ts";

const KEPT_LINES = 40;

/** How the SDK's dynamic-provider process is started. */
export interface DynamicProviderSettings {
  readonly module: string;
  readonly workingFolder: string;
  readonly env: NodeJS.ProcessEnv;
  /** What `configure` of a provider sees: the stack's config. */
  readonly config: Props;
  readonly log: (line: string) => void;
}

type Call<Request, Response> = (
  request: Request,
  done: (error: grpc.ServiceError | null, response: Response) => void,
) => unknown;

interface Connection {
  readonly child: Child;
  readonly client: InstanceType<typeof providerService.ResourceProviderClient>;
}

/** The SDK's own process for dynamic resources, started when it is first asked something; one for all resources. */
export class DynamicProvider implements Provider {
  readonly #settings: DynamicProviderSettings;
  #connection: Promise<Connection> | undefined;
  #ending: string | undefined;
  /** The process prints each error that it also answers; its last lines are shown only when it dies. */
  readonly #lastLines: string[] = [];

  constructor(settings: DynamicProviderSettings) {
    this.#settings = settings;
  }

  async check(urn: string, olds: Props, news: Props) {
    const request = new proto.CheckRequest();
    request.setUrn(urn);
    request.setOlds(toStruct(olds));
    request.setNews(toStruct(news));
    const response = await this.#call(
      (c) => c.check.bind(c) as Call<typeof request, InstanceType<typeof proto.CheckResponse>>,
      request,
    );
    return {
      inputs: fromStruct(response.getInputs()) ?? news,
      failures: response.getFailuresList().map((f) => ({ property: f.getProperty(), reason: f.getReason() })),
    };
  }

  async diff(existing: Existing, news: Props, ignoreChanges: readonly string[]) {
    const request = new proto.DiffRequest();
    request.setId(existing.id);
    request.setUrn(existing.urn);
    request.setOlds(toStruct(existing.outputs));
    request.setOldInputs(toStruct(existing.inputs));
    request.setNews(toStruct(news));
    request.setIgnorechangesList([...ignoreChanges]);
    const response = await this.#call(
      (c) => c.diff.bind(c) as Call<typeof request, InstanceType<typeof proto.DiffResponse>>,
      request,
    );
    const { DIFF_NONE, DIFF_SOME } = proto.DiffResponse.DiffChanges;
    const changes = response.getChanges();
    return {
      changes:
        changes === DIFF_NONE ? ("none" as const) : changes === DIFF_SOME ? ("some" as const) : ("unknown" as const),
      replaces: response.getReplacesList(),
    };
  }

  async create(urn: string, inputs: Props) {
    const request = new proto.CreateRequest();
    request.setUrn(urn);
    request.setProperties(toStruct(inputs));
    const response = await this.#call(
      (c) => c.create.bind(c) as Call<typeof request, InstanceType<typeof proto.CreateResponse>>,
      request,
    );
    if (response.getId() === "") throw new EngineError("resource", "the provider did not return an id from create");
    return { id: response.getId(), outputs: fromStruct(response.getProperties()) ?? {} };
  }

  async read(existing: Existing) {
    const request = new proto.ReadRequest();
    request.setId(existing.id);
    request.setUrn(existing.urn);
    request.setProperties(toStruct(existing.outputs));
    request.setInputs(toStruct(existing.inputs));
    const response = await this.#call(
      (c) => c.read.bind(c) as Call<typeof request, InstanceType<typeof proto.ReadResponse>>,
      request,
    );
    return {
      id: response.getId(),
      inputs: fromStruct(response.getInputs()),
      outputs: fromStruct(response.getProperties()) ?? {},
    };
  }

  async update(existing: Existing, news: Props, ignoreChanges: readonly string[]) {
    const request = new proto.UpdateRequest();
    request.setId(existing.id);
    request.setUrn(existing.urn);
    request.setOlds(toStruct(existing.outputs));
    request.setOldInputs(toStruct(existing.inputs));
    request.setNews(toStruct(news));
    request.setIgnorechangesList([...ignoreChanges]);
    const response = await this.#call(
      (c) => c.update.bind(c) as Call<typeof request, InstanceType<typeof proto.UpdateResponse>>,
      request,
    );
    return fromStruct(response.getProperties()) ?? {};
  }

  async delete(existing: Existing) {
    const request = new proto.DeleteRequest();
    request.setId(existing.id);
    request.setUrn(existing.urn);
    request.setProperties(toStruct(existing.outputs));
    request.setOldInputs(toStruct(existing.inputs));
    await this.#call((c) => c.delete.bind(c) as Call<typeof request, unknown>, request);
  }

  /** The SDK's process knows no previews: the outputs are the inputs (provider_plugin.go, Create and Update). */
  plannedOutputs(_existing: Existing | undefined, news: Props): Props {
    return news;
  }

  close(): void {
    void this.#connection?.then(
      ({ client, child }) => {
        client.close();
        child.kill();
      },
      () => undefined,
    );
  }

  async #call<Request, Response>(
    method: (client: Connection["client"]) => Call<Request, Response>,
    request: Request,
  ): Promise<Response> {
    this.#connection ??= this.#start();
    const { client, child } = await this.#connection;
    const answer = new Promise<Response>((resolve, reject) => {
      method(client)(request, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
    try {
      return await answer;
    } catch (error) {
      const { code, metadata, details } = error as grpc.ServiceError;
      if (code === grpc.status.UNAVAILABLE || code === grpc.status.CANCELLED) {
        await child.ended;
        throw new EngineError("provider", this.#ending ?? "the dynamic provider's process ended", { cause: error });
      }
      throw partialFailure(metadata) ?? new EngineError("resource", details, { cause: error });
    }
  }

  async #start(): Promise<Connection> {
    const { module, workingFolder, env, config, log } = this.#settings;
    let child: Child | undefined;
    const port = await new Promise<string>((resolve, reject) => {
      let found = false;
      child = startNode(
        // The process demands the engine's address and never uses it.
        [module, "127.0.0.1:0"],
        { cwd: workingFolder, env },
        (line) => {
          if (found) log(line);
          else if (/^\d+$/.test(line)) {
            found = true;
            resolve(line);
          }
        },
        (line) => {
          this.#lastLines.push(line);
          if (this.#lastLines.length > KEPT_LINES) this.#lastLines.shift();
        },
      );
      void child.ended.then((ending) => {
        this.#ending = [`the dynamic provider's process ended (${describeEnding(ending)})`, ...this.#lastLines].join(
          "\n  ",
        );
        reject(new EngineError("provider", this.#ending));
      });
    });
    const client = new providerService.ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": MESSAGE_BYTES,
      "grpc.max_send_message_length": MESSAGE_BYTES,
    });
    const request = new proto.ConfigureRequest();
    request.setArgs(toStruct(config));
    request.setAcceptsecrets(true);
    await new Promise<void>((resolve, reject) => {
      client.configure(request, (error) => {
        if (error)
          reject(
            new EngineError("provider", `the dynamic provider cannot be configured: ${error.details}`, {
              cause: error,
            }),
          );
        else resolve();
      });
    });
    return { child: child as unknown as Child, client };
  }
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
