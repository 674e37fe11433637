import type { Events, Step } from "./events.ts";
import type { ResourceState } from "./resource-state.ts";
import { changesOf } from "./step-changes.ts";
import { typeOf } from "./urn.ts";
import { isSecret, mapParts } from "./values.ts";
import type { Json, Props } from "./values.ts";

/** Events as lines of JSON in the CLI's form (sdk/go/common/apitype/events.go), those that summaries and tests read. */
export function jsonEvents(planning: boolean, refreshes: boolean, write: (text: string) => void): Events {
  let sequence = 0;
  let stepFailed = false;
  const emit = (event: Readonly<Record<string, unknown>>) => {
    write(`${JSON.stringify({ sequence: sequence++, timestamp: Math.floor(Date.now() / 1000), ...event })}\n`);
  };
  const message = (severity: string, urn: string, text: string) => {
    emit({ diagnosticEvent: { ...(urn !== "" && { urn }), message: text, color: "never", severity } });
  };
  return {
    started(step) {
      emit({ resourcePreEvent: { metadata: metadataOf(step), ...(planning && { planning }) } });
    },
    finished(step) {
      // What only refreshes ends each step under the name of what it found (pkg/engine/update.go, OnResourceStepPost).
      const op = refreshes ? (step.found ?? step.op) : step.op;
      emit({ resOutputsEvent: { metadata: { ...metadataOf(step), op }, ...(planning && { planning }) } });
    },
    failed(step, text) {
      stepFailed = true;
      // Of a preview's failed step there is the message alone (pkg/engine, previewActions.OnResourceStepPost).
      message("error", step.urn, planning ? `Preview failed: ${text}` : text);
      if (!planning) emit({ resOpFailedEvent: { metadata: metadataOf(step), status: 0, steps: 0 } });
    },
    message,
    summary({ result, durationSeconds, changes }) {
      // After the reasons comes a message about the run as a whole (deployment_executor.go, reportExecResult).
      const end = result === "canceled" ? "canceled" : stepFailed ? "failed" : undefined;
      if (end) message("error", "", `${planning ? "preview" : "update"} ${end}`);
      emit({
        summaryEvent: {
          maybeCorrupt: false,
          durationSeconds: Math.round(durationSeconds),
          resourceChanges: changes,
          PolicyPacks: {},
          isPreview: planning,
          // To the CLI a run that Ctrl-C ended has failed.
          result: result === "canceled" ? "failed" : result,
        },
      });
    },
  };
}

function metadataOf(step: Step): Readonly<Record<string, unknown>> {
  const changes = step.op === "update" || step.op === "refresh" ? changesOf(step) : [];
  return {
    op: step.op,
    urn: step.urn,
    type: typeOf(step.urn),
    old: stateOf(step.old),
    new: stateOf(step.new),
    ...(changes.length > 0 && { diffs: changes.map((change) => change.key) }),
    detailedDiff: step.detailed
      ? Object.fromEntries(
          Object.entries(step.detailed).map(([path, kind]) => [path, { diffKind: kind, inputDiff: false }]),
        )
      : null,
    provider: step.new?.provider ?? step.old?.provider ?? "",
  };
}

function stateOf(state: ResourceState | undefined): unknown {
  if (!state) return null;
  return {
    type: state.type,
    urn: state.urn,
    custom: state.custom,
    id: state.id ?? "",
    parent: state.parent ?? "",
    ...(state.protect && { protect: true }),
    ...(state.retainOnDelete && { retainOnDelete: true }),
    inputs: masked(state.inputs),
    outputs: masked(state.outputs),
    provider: state.provider ?? "",
    ...(state.initErrors?.length && { initErrors: state.initErrors }),
  };
}

/** Secrets are never in an event, and the text of a dynamic provider is of no use to a reader. */
function masked(props: Props | undefined): Json {
  const kept = Object.entries(props ?? {}).filter(([key]) => key !== "__provider");
  return mapParts(Object.fromEntries(kept), (part) => (isSecret(part) ? "[secret]" : undefined));
}
