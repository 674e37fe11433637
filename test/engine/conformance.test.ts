import { describe, expect, test } from "vitest";

import { readKit, refusedAt, runScenario } from "./kit.ts";
import { withKitProject } from "./project.ts";

/** A machine that does other things too takes its time. */
const TIMEOUT = 600_000;

// What the Pulumi CLI did with the same program, step by step: provider calls, events, exit statuses, order and state.
describe.concurrent("the local engine does what the Pulumi CLI was recorded to do", () => {
  test.for(readKit("conformance"))("$scenario.name", { timeout: TIMEOUT }, async ({ scenario, expected }) => {
    const seen = await withKitProject((project) => runScenario(project, scenario));
    const refused = scenario.mayRefuse ? refusedAt(seen, expected) : -1;
    const compared = refused < 0 ? seen : seen.slice(0, refused);
    expect(compared).toEqual(expected.slice(0, compared.length));
  });
});
