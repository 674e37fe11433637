import { SpecError, type Problem } from "../../../../spec/problems.ts";
import { parseStack, type StackSpec } from "../../../../spec/stack.ts";

/** The shortest cell that the stack makes. */
export const made = {
  kind: "rds",
  region: "eu-central-1",
  engineVersion: "17.6",
  instanceClass: "db.r7g.large",
  storageGib: 100,
  vpcId: "vpc-0a1b2c3d4e5f60718",
  subnetIds: ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
  clients: ["sg-0a1b2c3d4e5f60719"],
};

/** The shortest cell that is adopted. */
export const adopted = {
  kind: "adopted",
  region: "eu-central-1",
  identifier: "old-1",
  host: "old-1.abc.eu-central-1.rds.amazonaws.com",
};

/** A stack with these cells and merchants. */
export function stackOf(cells: object, merchants: object = {}): StackSpec {
  return parseStack({ cells, merchants });
}

/** What is wrong with a stack of one cell `eu-1`. */
export function problemsOf(cell: unknown, merchants: object = {}): readonly Problem[] {
  try {
    parseStack({ cells: { "eu-1": cell }, merchants });
    return [];
  } catch (error) {
    if (error instanceof SpecError) return error.problems;
    throw error;
  }
}
