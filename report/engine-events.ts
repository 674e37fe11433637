import { z } from "zod";

const props = z.record(z.string(), z.unknown()).nullish();

const state = z.looseObject({
  type: z.string(),
  parent: z.string().optional(),
  provider: z.string().optional(),
  retainOnDelete: z.boolean().optional(),
  inputs: props,
  outputs: props,
});

/** A resource as an event shows it. */
export type SeenState = z.infer<typeof state>;

const metadata = z.looseObject({
  op: z.string(),
  urn: z.string(),
  old: state.nullish(),
  new: state.nullish(),
  detailedDiff: z.record(z.string(), z.unknown()).nullish(),
});

/** What the engine did, or would do, to one resource. */
export interface Step {
  /** The CLI's word: same, create, update, delete, replace, refresh and others. */
  readonly op: string;
  readonly urn: string;
  readonly old: SeenState | undefined;
  readonly new: SeenState | undefined;
  /** The inputs that the provider says are changed, by their first key; empty when it names none. */
  readonly changed: readonly string[];
}

/** What the engine or the program said. */
export interface Message {
  readonly severity: "info" | "warning" | "error";
  /** Empty when it is about the run as a whole. */
  readonly urn: string;
  readonly text: string;
}

/** One run of an engine, as its events tell it. */
export interface SeenRun {
  /** What was read before the program ran: `old` as the state has it, `new` as it was found, or undefined when gone. */
  readonly reads: readonly Step[];
  /** What the program changes. */
  readonly steps: readonly Step[];
  /** Steps that failed; of a refresh those that could not be read. */
  readonly failed: readonly Step[];
  readonly messages: readonly Message[];
  /** Whether the run went to its end; undefined when the events stop before it. */
  readonly succeeded: boolean | undefined;
}

const event = z.looseObject({
  resourcePreEvent: z.object({ metadata }).optional(),
  resOutputsEvent: z.object({ metadata }).optional(),
  resOpFailedEvent: z.object({ metadata }).optional(),
  diagnosticEvent: z
    .object({
      urn: z.string().optional(),
      message: z.string(),
      severity: z.string(),
      ephemeral: z.boolean().optional(),
    })
    .optional(),
  summaryEvent: z.object({ result: z.string().optional() }).optional(),
});

/** Without streaming the CLI's preview prints one object (pkg/display/json.go, PreviewDigest). */
const digest = z.looseObject({
  steps: z
    .array(
      z.looseObject({
        op: z.string(),
        urn: z.string(),
        oldState: state.nullish(),
        newState: state.nullish(),
        detailedDiff: z.record(z.string(), z.unknown()).nullish(),
      }),
    )
    .optional(),
  diagnostics: z.array(z.object({ urn: z.string().optional(), message: z.string(), severity: z.string() })).optional(),
  changeSummary: z.record(z.string(), z.number()).optional(),
});

/** What `--json` printed is not what an engine prints; the message says what was there. */
export class EventsError extends Error {
  override readonly name = "EventsError";
}

/**
 * Reads what `preview --json` of either engine printed: engine events, one a line, or the CLI's one object. Lines that
 * are no JSON come from what the program itself prints and are passed over. Throws an EventsError when nothing is left.
 */
export function parseEngineOutput(text: string): SeenRun {
  const whole = parseJson(text);
  const asDigest = whole === undefined || isEvent(whole) ? undefined : digest.safeParse(whole);
  if (asDigest?.success && (asDigest.data.steps || asDigest.data.diagnostics)) return runOfDigest(asDigest.data);
  const events = text.split("\n").flatMap((line) => {
    const parsed = event.safeParse(parseJson(line));
    return parsed.success ? [parsed.data] : [];
  });
  if (!events.some(isEvent)) {
    const start = text.trim().slice(0, 200);
    throw new EventsError(
      start === ""
        ? "there are no engine events: the input is empty"
        : `there are no engine events: it begins ${start}`,
    );
  }
  return runOfEvents(events);
}

function isEvent(value: unknown): boolean {
  const kinds = ["resourcePreEvent", "resOutputsEvent", "resOpFailedEvent", "diagnosticEvent", "summaryEvent"];
  return typeof value === "object" && value !== null && kinds.some((kind) => Object.hasOwn(value, kind));
}

function parseJson(text: string): unknown {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * A refresh begins with `refresh` and may end under the name of what it found, so what ends it is told by its order.
 * Components end at no event of their own, so a step counts from where it begins, and what it ends with is later. Of a
 * preview's failed step the CLI tells the error alone (pkg/engine, previewActions.OnResourceStepPost): a read that did not
 * end, and of which there is one, has failed.
 */
function runOfEvents(events: readonly z.infer<typeof event>[]): SeenRun {
  const reading = new Map<string, Step>();
  const reads = new Map<string, Step>();
  const steps = new Map<string, Step>();
  const failed: Step[] = [];
  const messages: Message[] = [];
  let succeeded: boolean | undefined;
  for (const { resourcePreEvent, resOutputsEvent, resOpFailedEvent, diagnosticEvent, summaryEvent } of events) {
    if (resourcePreEvent) {
      const step = stepOf(resourcePreEvent.metadata);
      if (step.op === "refresh") reading.set(step.urn, step);
      else steps.set(keyOf(step), step);
    }
    if (resOutputsEvent) {
      const step = stepOf(resOutputsEvent.metadata);
      if (reading.delete(step.urn)) reads.set(step.urn, { ...step, op: "refresh" });
      else steps.set(keyOf(step), step);
    }
    if (resOpFailedEvent) {
      const step = stepOf(resOpFailedEvent.metadata);
      if (reading.delete(step.urn)) failed.push({ ...step, op: "refresh" });
      else {
        steps.delete(keyOf(step));
        failed.push(step);
      }
    }
    if (diagnosticEvent && diagnosticEvent.ephemeral !== true) messages.push(...messagesOf(diagnosticEvent));
    if (summaryEvent) succeeded = (summaryEvent.result ?? "succeeded") === "succeeded";
  }
  const wrong = new Set(messages.flatMap(({ severity, urn }) => (severity === "error" ? [urn] : [])));
  failed.push(...[...reading.values()].filter(({ urn }) => wrong.has(urn)));
  return { reads: [...reads.values()], steps: [...steps.values()], failed, messages, succeeded };
}

/** A replacement is several steps on one resource. */
function keyOf({ op, urn }: Step): string {
  return `${op} ${urn}`;
}

function stepOf(seen: z.infer<typeof metadata>): Step {
  const { op, urn, old, new: next, detailedDiff } = seen;
  return { op, urn, old: old ?? undefined, new: next ?? undefined, changed: firstKeys(detailedDiff) };
}

/** Paths are `name`, `roles[0]` and `["name with dots"].key`. */
function firstKeys(detailed: Readonly<Record<string, unknown>> | null | undefined): readonly string[] {
  const keys = Object.keys(detailed ?? {}).map((path) => /^(?:\["(.*?)"\]|([^.[]+))/.exec(path));
  return [...new Set(keys.flatMap((found) => found?.[1] ?? found?.[2] ?? []))];
}

function runOfDigest({ steps = [], diagnostics = [], changeSummary }: z.infer<typeof digest>): SeenRun {
  const messages = diagnostics.flatMap(messagesOf);
  return {
    reads: [],
    steps: steps.map(({ oldState, newState, ...step }) => stepOf({ ...step, old: oldState, new: newState })),
    failed: [],
    messages,
    succeeded: changeSummary !== undefined && messages.every(({ severity }) => severity !== "error"),
  };
}

/** `info#err` is what the program wrote to standard error; debug lines are for nobody here. */
function messagesOf(said: { urn?: string | undefined; message: string; severity: string }): readonly Message[] {
  const severity = said.severity === "info#err" ? "info" : said.severity;
  if (severity !== "info" && severity !== "warning" && severity !== "error") return [];
  const text = withoutColors(said.message)
    .trim()
    .replace(/^Preview failed: /, "");
  return text === "" ? [] : [{ severity, urn: said.urn ?? "", text }];
}

/** The CLI marks colours as `<{%red%}>`; what passes through a terminal has escape sequences. */
function withoutColors(text: string): string {
  return text.replace(/<\{%[^%]*%\}>|\u001b\[[0-9;]*m/g, "");
}
