import type { Step } from "./events.ts";
import { diffPaths, diffProps } from "./property-diff.ts";
import type { Change } from "./property-diff.ts";
import type { Props } from "./values.ts";

/** What a refresh found otherwise in the outputs. */
export function outputChangesOf({ old, new: next }: Step): readonly Change[] {
  return next ? diffProps(old?.outputs ?? {}, next.outputs ?? {}) : [];
}

/**
 * The properties that a step changes, as the CLI shows them: for an update old against new inputs, for a refresh the inputs in
 * the state against those found, and where the inputs say nothing the outputs.
 */
export function changesOf(step: Step): readonly Change[] {
  const { old, new: next, detailed } = step;
  const props = (p: Props | undefined): Props => p ?? {};
  switch (step.op) {
    case "create":
    case "import":
      return diffProps({}, props(next?.inputs));
    case "update": {
      const changes = diffProps(props(old?.inputs), props(next?.inputs));
      if (!detailed || Object.keys(detailed).length === 0) return changes;
      return diffPaths(detailed, { ...old?.inputs, ...old?.outputs }, { ...next?.inputs });
    }
    case "refresh": {
      if (!next) return [];
      if (detailed && Object.keys(detailed).length > 0) {
        return diffPaths(detailed, { ...old?.outputs, ...old?.inputs }, { ...next.inputs, ...next.outputs });
      }
      const changes = diffProps(props(old?.inputs), props(next.inputs));
      return changes.length > 0 ? changes : outputChangesOf(step);
    }
    case "same":
    case "delete":
    case "delete-replaced":
      return [];
  }
}
