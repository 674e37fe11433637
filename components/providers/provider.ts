import { isDeepStrictEqual } from "node:util";
import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { type CellAddress, type ConfigReader, resolveAddress } from "../../converge/address.ts";
import { ConvergeError } from "../../converge/errors.ts";
import { parseStack } from "../../spec/stack.ts";

/** What a provider gets of the stack's configuration (pulumi.dynamic.Config), secret values in the clear. */
export interface ProviderConfig {
  get(key: string): string | undefined;
}

/** How a kind makes its resource what the inputs say. */
interface Applies<I> {
  /** May throw PartlyDone. */
  apply(inputs: I, context: Context, before: Before): Promise<void>;
}

/** As `Applies`, for a kind that remembers what it did: outputs besides the inputs, which no program can declare. */
interface Records<I> {
  /** The names of these outputs. */
  readonly recorded: readonly string[];
  /** Gives these outputs. */
  applyRecorded(inputs: I, context: Context, before: Before): Promise<Props>;
}

/** One kind of resource, in terms of its checked inputs. Every method may throw a ConvergeError. */
export type Kind<I> = KindOf<I> & (Applies<I> | Records<I>);

interface KindOf<I> {
  /** The form of the inputs. Unknown keys are an error: they come from another version of the program. */
  readonly schema: z.ZodType<I>;
  /** Inputs that identify the object: they never change. */
  readonly fixed: readonly (keyof I & string)[];
  /** The id in the state. */
  id(inputs: I): string;
  /** Why a change may not be made, known without a connection. `olds` may come from another version of the program. */
  refuse?(olds: Props, news: I): readonly pulumi.dynamic.CheckFailure[];
  /** Why it may not be made where there was nothing before, known without a connection. */
  refuseNew?(news: I): readonly pulumi.dynamic.CheckFailure[];
  /** The inputs as the server has them; undefined when the object is gone. */
  read(inputs: I, context: Context): Promise<Record<string, unknown> | undefined>;
  remove(inputs: I, context: Context): Promise<void>;
}

/** What the state had before an apply. */
export interface Before {
  /** True when there was nothing. */
  readonly fresh: boolean;
  /** The outputs; they may come from another version of the program. */
  readonly olds: Props;
}

/**
 * Thrown by `apply` that failed after a part was done: the state remembers that part as the outputs, so that the next up
 * tries again, whether anything changed or not, and can go on from there.
 */
export class PartlyDone extends Error {
  readonly done: Props;
  constructor(done: Props, cause: Error) {
    super(cause.message, { cause });
    this.done = done;
  }
}

/** What the outside world gives to a provider. */
export interface Context {
  /** Where a cell is, with its credential, found now. Fails with a ConvergeError. */
  address(cell: string): Promise<CellAddress>;
}

/** Why nothing may be changed over a state that cannot be read: what it protects is unknown. */
export const UNREADABLE =
  "the state holds this resource in a form that this version of the program cannot read: go on with the version that wrote it";

/** The value that stands for an unknown one in a preview (rpc.unknownValue of the SDK). */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Properties of a resource, as they come from the engine. */
export type Props = Readonly<Record<string, unknown>>;

/** Makes of a kind what the stub calls. */
export function provide<I>(kind: Kind<I>) {
  return {
    check(_config: ProviderConfig, olds: Props, news: Props): pulumi.dynamic.CheckResult {
      const inputs = withoutProvider(news);
      if (holdsUnknown(inputs)) return { inputs, failures: [] };
      const parsed = kind.schema.safeParse(inputs);
      if (!parsed.success) return { inputs, failures: parsed.error.issues.map(failureOf) };
      const before = withoutProvider(olds);
      const failures = kind.fixed
        .filter((key) => key in before && !isDeepStrictEqual(before[key], inputs[key]))
        .map((property) => ({
          property,
          reason: `was ${JSON.stringify(before[property])} and cannot become ${JSON.stringify(inputs[property])}: put it back`,
        }));
      const created = Object.keys(before).length === 0;
      const refused = created ? kind.refuseNew?.(parsed.data) : kind.refuse?.(before, parsed.data);
      return { inputs, failures: [...failures, ...(refused ?? [])] };
    },
    diff(_config: ProviderConfig, _id: string, olds: Props, news: Props): pulumi.dynamic.DiffResult {
      return { changes: !isDeepStrictEqual(plain(declaredOf(kind, olds)), plain(news)), replaces: [] };
    },
    async create(config: ProviderConfig, news: Props): Promise<pulumi.dynamic.CreateResult> {
      const inputs = parse(kind, news);
      const before = { fresh: true, olds: {} };
      const recorded = await keepingPart(kind.id(inputs), news, apply(kind, inputs, contextOf(config), before));
      return { id: kind.id(inputs), outs: { ...withoutProvider(news), ...recorded } };
    },
    async update(config: ProviderConfig, id: string, olds: Props, news: Props): Promise<pulumi.dynamic.UpdateResult> {
      const before = { fresh: false, olds: withoutProvider(olds) };
      const recorded = await keepingPart(id, news, apply(kind, parse(kind, news), contextOf(config), before));
      return { outs: { ...withoutProvider(news), ...recorded } };
    },
    async read(config: ProviderConfig, id: string, props: Props): Promise<pulumi.dynamic.ReadResult> {
      const found = await inShort(kind.read(parse(kind, props), contextOf(config)));
      if (found === undefined) return { id: "", props: {} };
      return { id, props: { ...found, ...recordedOf(kind, props) }, inputs: { ...found } };
    },
    async delete(config: ProviderConfig, _id: string, props: Props): Promise<void> {
      await inShort(kind.remove(parse(kind, props), contextOf(config)));
    },
  };
}

/**
 * An error with an id is what the SDK takes for a resource that is there and not ready (grpcResponseFromError in its
 * cmd/dynamic-provider); the properties need the provider's text, by which the next call finds it.
 */
async function keepingPart(id: string, news: Props, work: Promise<Props>): Promise<Props> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof PartlyDone)) throw error;
    const properties = { ...error.done, __provider: news["__provider"] };
    throw Object.assign(new Error(error.message, { cause: error }), { id, properties, reasons: [error.message] });
  }
}

/**
 * The SDK prints the stack of what a read or a delete throws, line by line (cmd/dynamic-provider, index.ts): of a cell that does
 * not answer, ten lines for each resource. Where our own refusals were made says nothing to who reads them.
 */
async function inShort<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ConvergeError) error.stack = "";
    throw error;
  }
}

async function apply<I>(kind: Kind<I>, inputs: I, context: Context, before: Before): Promise<Props> {
  if ("recorded" in kind) return kind.applyRecorded(inputs, context, before);
  await kind.apply(inputs, context, before);
  return {};
}

/** What of a resource's outputs it recorded. */
function recordedOf<I>(kind: Kind<I>, props: Props): Record<string, unknown> {
  const names = "recorded" in kind ? kind.recorded : [];
  return Object.fromEntries(Object.entries(props).filter(([key]) => names.includes(key)));
}

/** What of a resource's outputs the program declared. */
function declaredOf<I>(kind: Kind<I>, props: Props): Record<string, unknown> {
  const names = "recorded" in kind ? kind.recorded : [];
  return Object.fromEntries(Object.entries(withoutProvider(props)).filter(([key]) => !names.includes(key)));
}

function parse<I>(kind: Kind<I>, props: Props): I {
  const parsed = kind.schema.safeParse(declaredOf(kind, props));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(failureOf).map(({ property, reason }) => `${property}: ${reason}`);
  throw new ConvergeError("bad_inputs", `the resource's inputs cannot be used: ${problems.join("; ")}`);
}

function failureOf(issue: z.core.$ZodIssue): pulumi.dynamic.CheckFailure {
  return { property: issue.path.join("."), reason: issue.message };
}

function withoutProvider(props: Props): Record<string, unknown> {
  return Object.fromEntries(Object.entries(props).filter(([key]) => key !== "__provider"));
}

/** As it is after a round trip through the state: no undefined. */
function plain(props: Props): unknown {
  return JSON.parse(JSON.stringify(withoutProvider(props)));
}

function holdsUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsUnknown);
}

function contextOf(config: ProviderConfig): Context {
  const read: ConfigReader = (key) => config.get(key);
  return {
    async address(name) {
      const written: unknown = JSON.parse(config.get("cells") ?? "{}");
      const cell = parseStack({ cells: written, merchants: {} }).cells[name];
      if (cell !== undefined) return resolveAddress(cell, read);
      throw new ConvergeError("no_credential", `cell ${name} is not in merchant-jobs:cells: put its line back`);
    },
  };
}
