import type { PropertyChange } from "./provider.ts";
import type { ResourceState } from "./resource-state.ts";

/** What a step does to a resource; the names are the CLI's (pkg/resource/deploy/step.go). */
export type Operation = "same" | "create" | "update" | "delete" | "delete-replaced" | "refresh" | "import";

/** One step of a run. */
export interface Step {
  readonly op: Operation;
  readonly urn: string;
  readonly old?: ResourceState | undefined;
  readonly new?: ResourceState | undefined;
  /** The changed properties by path, where the provider names them. */
  readonly detailed?: Readonly<Record<string, PropertyChange>> | undefined;
  /**
   * For a refresh: what it found, in terms of the other operations and by what the provider says (step.go,
   * RefreshStep.ResultOp).
   */
  readonly found?: "same" | "update" | "delete" | undefined;
}

export type Severity = "info" | "warning" | "error";

/** How a run ended. */
export interface Summary {
  readonly planning: boolean;
  readonly result: "succeeded" | "failed" | "canceled";
  readonly durationSeconds: number;
  readonly changes: Readonly<Partial<Record<Operation, number>>>;
}

/** Where a run tells what it does: people, or the lines of `--json`. Steps on default providers are not told. */
export interface Events {
  readonly started: (step: Step) => void;
  readonly finished: (step: Step, seconds: number) => void;
  readonly failed: (step: Step, message: string) => void;
  /** A message about a resource, or about the run as a whole when the URN is empty. */
  readonly message: (severity: Severity, urn: string, text: string) => void;
  readonly summary: (summary: Summary, stackOutputs: StackOutputs | undefined) => void;
}

/** The stack's outputs before and after. */
export interface StackOutputs {
  readonly old: ResourceState["outputs"];
  readonly new: ResourceState["outputs"];
}
