import { describe, expect, test } from "vitest";

import { readKit, refusedAt, runScenario } from "../../engine/kit.ts";
import { withKitProject } from "../../engine/project.ts";
import { testServer } from "../../server.ts";
import { withKitAdmin } from "./kit-server.ts";

const TIMEOUT = 600_000;

// What the Pulumi CLI did with the real PostgreSQL provider and an administrator that is not superuser.
describe.concurrent(
  "the stand-ins for Provider, Role and Database do what the real provider was recorded to do",
  () => {
    test.for(readKit("conformance-postgresql"))(
      "$scenario.name",
      { timeout: TIMEOUT },
      async ({ scenario, expected }) => {
        const seen = await withKitAdmin(({ names, env, sql }) =>
          withKitProject(
            (project) => runScenario(project, scenario, { ...names, [`"port":"PORT"`]: portOfServer() }, sql),
            "conformance-postgresql",
            env,
          ),
        );
        const refused = scenario.mayRefuse ? refusedAt(seen, expected) : -1;
        const compared = refused < 0 ? seen : seen.slice(0, refused);
        expect(compared).toEqual(expected.slice(0, compared.length));
      },
    );
  },
);

/** The server of the recording was anywhere, too. */
function portOfServer(): string {
  return `"port":"${testServer().port}"`;
}
