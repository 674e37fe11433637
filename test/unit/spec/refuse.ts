import { SpecError } from "../../../spec/problems.ts";
import { parseStack, type RawStack } from "../../../spec/stack.ts";

/** The error that a stack is refused with; throws when it is accepted. */
export function refuse(raw: RawStack): SpecError {
  try {
    parseStack(raw);
  } catch (error) {
    if (error instanceof SpecError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(raw)}`);
}
