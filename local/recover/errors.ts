/**
 * Why a recovery stopped, as a closed list. What it refuses object by object is no error: it says so and goes on.
 *
 * - `usage`: the command line is wrong
 * - `running`: a run holds the stack and is alive, or may be
 * - `engine`: a command of the engine failed
 * - `state`: the state cannot be read, and the copy beside it cannot either
 * - `cell`: a cell cannot be looked at now
 */
export type RecoverErrorCode = "usage" | "running" | "engine" | "state" | "cell";

/** A recovery that cannot go on: what is wrong, and what a person does about it. */
export class RecoverError extends Error {
  override readonly name = "RecoverError";
  readonly code: RecoverErrorCode;

  constructor(code: RecoverErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
