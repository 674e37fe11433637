/**
 * What can go wrong in the engine, as a closed list.
 *
 * - `usage`: the command line is wrong
 * - `unconfirmed`: what would be changed has neither --yes nor somebody to ask
 * - `no-stack`: there is no such stack, or none is selected
 * - `project`: the program's folder, Pulumi.yaml or the stack file cannot be used
 * - `state`: the state cannot be read, written or moved
 * - `locked`: another run holds the stack
 * - `secrets`: a secret cannot be opened or closed
 * - `refused`: the engine cannot do this at all; the Pulumi CLI can
 * - `provider`: a provider could not be started or died
 * - `resource`: a provider refused or failed an operation on one resource
 * - `program`: the program failed
 * - `stopped`: the run is ending after an error or Ctrl-C, and this was not begun
 */
type EngineErrorCode =
  | "usage"
  | "unconfirmed"
  | "no-stack"
  | "project"
  | "state"
  | "locked"
  | "secrets"
  | "refused"
  | "provider"
  | "resource"
  | "program"
  | "stopped";

/** The one error of the engine: what is wrong, where, and the way out. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly code: EngineErrorCode;

  constructor(code: EngineErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The CLI's exit statuses where they are not 1 (pkg/cmd/pulumi/cmd/exit_codes.go). */
const STATUSES: Readonly<Partial<Record<EngineErrorCode, number>>> = { unconfirmed: 2, "no-stack": 6 };

/** The exit status of a command that ended by this. */
export function exitStatusOf(error: unknown): number {
  return (error instanceof EngineError ? STATUSES[error.code] : undefined) ?? 1;
}

/** An error for something that this engine leaves to the real one. */
export function refusal(what: string): EngineError {
  return new EngineError("refused", `${what}: the local engine does not do this; use the Pulumi CLI for it`);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
