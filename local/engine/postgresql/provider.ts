import { EngineError, messageOf } from "../errors.ts";
import { PartialFailure } from "../provider.ts";
import type { CheckResult, DiffResult, Existing, Provider, ReadResult } from "../provider.ts";
import { Slots } from "../slots.ts";
import { typeOf } from "../urn.ts";
import type { Props } from "../values.ts";
import { checkInputs, diffAttributes, inputsFound } from "./attributes.ts";
import type { Attributes } from "./attributes.ts";
import { Connections, parseSettings } from "./connection.ts";
import type { Server } from "./connection.ts";
import { createDatabase, DATABASE_ATTRIBUTES, deleteDatabase, readDatabase, updateDatabase } from "./database.ts";
import { readRole } from "./role-read.ts";
import { createRole, deleteRole, ROLE_ATTRIBUTES, updateRole } from "./role.ts";

interface Kind {
  readonly attributes: Attributes;
  readonly create: (server: Server, inputs: Props) => Promise<string>;
  readonly read: (server: Server, id: string, state: Props) => Promise<Props | undefined>;
  readonly update: (server: Server, id: string, outputs: Props, inputs: Props) => Promise<string>;
  readonly delete: (server: Server, outputs: Props) => Promise<void>;
}

const KINDS: Readonly<Record<string, Kind>> = {
  "postgresql:index/role:Role": {
    attributes: ROLE_ATTRIBUTES,
    create: createRole,
    read: readRole,
    update: updateRole,
    delete: deleteRole,
  },
  "postgresql:index/database:Database": {
    attributes: DATABASE_ATTRIBUTES,
    create: createDatabase,
    read: readDatabase,
    update: updateDatabase,
    delete: deleteDatabase,
  },
};

/** The types that the stand-in makes. */
export const POSTGRESQL_TYPES: readonly string[] = Object.keys(KINDS);

/** Stands in for the provider of @pulumi/postgresql: the same statements, the same outputs, the same errors. */
export class PostgresqlProvider implements Provider {
  readonly #inputs: Props;
  /** A refresh reads hundreds of roles and databases, each in a moment: one connection serves them all. */
  readonly #reading = new Slots(1);
  #connections: Connections | undefined;

  constructor(inputs: Props) {
    this.#inputs = inputs;
  }

  check(urn: string, olds: Props, news: Props): Promise<CheckResult> {
    return Promise.resolve(checkInputs(kindOf(urn).attributes, urn, olds, news));
  }

  diff(existing: Existing, news: Props): Promise<DiffResult> {
    return Promise.resolve(diffAttributes(kindOf(existing.urn).attributes, existing.outputs, news));
  }

  async create(urn: string, inputs: Props) {
    const kind = kindOf(urn);
    return this.#connected("creating", urn, async (server) => {
      const id = await kind.create(server, inputs);
      try {
        return { id, outputs: await this.#readBack(kind, server, id, inputs) };
      } catch (error) {
        // It exists from here on, whatever cannot be read of it.
        throw new PartialFailure(id, { ...inputs, id }, [describe("creating", urn, error)]);
      }
    });
  }

  async read(existing: Existing): Promise<ReadResult> {
    const kind = kindOf(existing.urn);
    const outputs = await this.#reading.run(() =>
      this.#connected("refreshing", existing.urn, (server) => kind.read(server, existing.id, existing.outputs)),
    );
    if (!outputs) return { id: "", outputs: {} };
    return { id: existing.id, inputs: inputsFound(kind.attributes, existing.inputs, outputs), outputs };
  }

  async update(existing: Existing, news: Props): Promise<Props> {
    const kind = kindOf(existing.urn);
    try {
      return await this.#connected("updating", existing.urn, async (server) => {
        const id = await kind.update(server, existing.id, existing.outputs, news);
        return this.#readBack(kind, server, id, news, existing.outputs);
      });
    } catch (error) {
      // Terraform keeps what was planned of a failed update (pulumi/pulumi#2011).
      throw new PartialFailure(existing.id, planned(kind, existing.outputs, news), [messageOf(error)]);
    }
  }

  async delete(existing: Existing): Promise<void> {
    const kind = kindOf(existing.urn);
    await this.#connected("deleting", existing.urn, (server) => kind.delete(server, existing.outputs));
  }

  plannedOutputs(existing: Existing | undefined, news: Props): Props {
    const own = Object.fromEntries(Object.entries(news).filter(([key]) => !key.startsWith("__")));
    return { ...existing?.outputs, ...own };
  }

  close(): void {
    void this.#connections?.close();
    this.#connections = undefined;
  }

  /** The outputs after a change. Lists that were never asked for and are empty stay unset, as in Terraform's plan. */
  async #readBack(kind: Kind, server: Server, id: string, inputs: Props, before: Props = {}): Promise<Props> {
    const state = { ...before, ...inputs };
    const outputs = await kind.read(server, id, state);
    if (!outputs) throw new EngineError("resource", `${id} was changed and is now gone`);
    const filled = Object.entries(outputs).map(([key, value]): [string, Props[string]] => {
      const unset = (inputs[key] ?? null) === null && (before[key] ?? null) === null;
      if (unset && Array.isArray(value) && value.length === 0) return [key, null];
      const flag = kind.attributes[key]?.kind === "boolean" && value === null && Object.keys(before).length === 0;
      return [key, flag ? false : value];
    });
    return Object.fromEntries(filled);
  }

  async #connected<T>(doing: string, urn: string, work: (server: Server) => Promise<T>): Promise<T> {
    try {
      this.#connections ??= new Connections(parseSettings(this.#inputs));
      return await this.#connections.use(work);
    } catch (error) {
      if (error instanceof PartialFailure || (error instanceof EngineError && error.code === "refused")) throw error;
      throw new EngineError("resource", describe(doing, urn, error), { cause: error });
    }
  }
}

function kindOf(urn: string): Kind {
  const kind = KINDS[typeOf(urn)];
  if (!kind) throw new EngineError("refused", `no stand-in for ${typeOf(urn)}`);
  return kind;
}

/** An error as pulumi-terraform-bridge words it. */
function describe(doing: string, urn: string, error: unknown): string {
  return `${doing} ${urn}: 1 error occurred:\n\t* ${messageOf(error)}\n\n`;
}

/** The outputs with the wanted values in place of those that they differ from. */
function planned(kind: Kind, outputs: Props, inputs: Props): Props {
  const { detailed = {} } = diffAttributes(kind.attributes, outputs, inputs);
  return { ...outputs, ...Object.fromEntries(Object.keys(detailed).map((key) => [key, inputs[key] ?? null])) };
}
