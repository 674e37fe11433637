import { readFileSync } from "node:fs";
import path from "node:path";

/** What the local engine printed for a stack of acme (a schedule changes), bluebird (nothing does) and coral (is new). */
export const recorded = readFileSync(path.join(import.meta.dirname, "recorded-preview.jsonl"), "utf8");

interface Event {
  readonly resourcePreEvent?: { readonly metadata: Metadata };
  readonly resOutputsEvent?: { readonly metadata: Metadata };
}
interface Metadata {
  readonly op: string;
  readonly urn: string;
  readonly old: State | null;
  readonly new: State | null;
}
interface State {
  readonly inputs: Readonly<Record<string, unknown>>;
}
type Inputs = Record<string, unknown>;

/** What becomes of a merchant: it is new or goes away, or its resources' inputs change by kind. */
export interface Plan {
  readonly id: string;
  readonly op?: "create" | "delete" | "replace";
  /** Changes the new inputs of its crontab. */
  readonly crontab?: (jobs: Record<string, Inputs>, inputs: Inputs) => void;
  readonly database?: (inputs: Inputs) => void;
  readonly migrations?: (inputs: Record<"migrations" | "routines", Record<string, string>>) => void;
}

const events = recorded
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Event);
const metadataOf = ({ resourcePreEvent, resOutputsEvent }: Event) =>
  resourcePreEvent?.metadata ?? resOutputsEvent?.metadata;

/**
 * The recorded events of one merchant, as text in which its name can be another. What a step ends with says all that it
 * began with; only components have no such end.
 */
function eventsOf(id: string): readonly string[] {
  const own = events.filter((event) => new RegExp(`::${id}(?:-[a-z]+)?$`).test(metadataOf(event)?.urn ?? ""));
  const ended = new Set(own.flatMap(({ resOutputsEvent }) => resOutputsEvent?.metadata.urn ?? []));
  const kept = own.filter(({ resourcePreEvent }) => !ended.has(resourcePreEvent?.metadata.urn ?? ""));
  return kept.map((event) => JSON.stringify(event).replaceAll(id, "MERCHANT"));
}

const unchanged = eventsOf("bluebird");
const created = eventsOf("coral");

/** The events of a preview, made of the recorded ones: those of the stack, and for each merchant what is planned. */
export function previewOf(plans: readonly Plan[], diagnostics: readonly object[] = []): string {
  const merchants = plans.flatMap((plan) =>
    (plan.op === "create" ? created : unchanged).map((text) => {
      const event = JSON.parse(text.replaceAll("MERCHANT", plan.id)) as Event;
      return plan.op === "create" ? event : changed(event, plan);
    }),
  );
  const said = diagnostics.map((diagnosticEvent) => ({ diagnosticEvent }));
  const failed = said.length > 0;
  const summary = { summaryEvent: { isPreview: true, result: failed ? "failed" : "succeeded" } };
  return [...merchants, ...said, summary].map((event) => JSON.stringify(event)).join("\n");
}

function changed(event: Event, plan: Plan): Event {
  const metadata = metadataOf(event);
  if (metadata === undefined) return event;
  const isDatabase = metadata.urn.endsWith("-database");
  if (plan.op === "delete" || (plan.op === "replace" && isDatabase)) {
    return withMetadata(event, { ...metadata, op: plan.op, new: null });
  }
  const inputs = structuredClone(metadata.new?.inputs ?? {}) as Inputs;
  const kind = /-([a-z]+)$/.exec(metadata.urn)?.[1];
  if (kind === "crontab") plan.crontab?.(inputs["jobs"] as Record<string, Inputs>, inputs);
  if (kind === "database") plan.database?.(inputs);
  if (kind === "migrations") plan.migrations?.(inputs as never);
  if (JSON.stringify(inputs) === JSON.stringify(metadata.new?.inputs ?? {})) return event;
  return withMetadata(event, { ...metadata, op: "update", new: { ...metadata.new, inputs } });
}

function withMetadata(event: Event, metadata: Metadata): Event {
  return event.resourcePreEvent ? { resourcePreEvent: { metadata } } : { resOutputsEvent: { metadata } };
}
