import * as pulumi from "@pulumi/pulumi";
import { cellEntries } from "../spec/aws/replacement.ts";
import { rosterOf } from "../spec/roster.ts";
import { requiredPgCron, type StackSpec } from "../spec/stack.ts";
import type { RosterInputs } from "./providers/roster.ts";
import { providerStub } from "./stub.ts";

/** The stack's memory of its merchants; it refuses one that vanished or moved. One for each stack. */
export class Roster extends pulumi.dynamic.Resource {
  constructor(stack: StackSpec, options: pulumi.CustomResourceOptions) {
    const requires: RosterInputs["requires"] = {};
    for (const cell of Object.keys(stack.cells)) {
      const version = requiredPgCron(stack, cell);
      if (version !== undefined && version !== "1.4") requires[cell] = version;
    }
    const made = cellEntries(stack.cells);
    const inputs: RosterInputs = {
      merchants: rosterOf(stack),
      requires,
      // A stack that makes no cell has a state as before.
      ...(Object.keys(made).length > 0 && { cells: made }),
    };
    super(providerStub("roster"), "roster", inputs, options, "merchant-jobs", "Roster");
  }
}
