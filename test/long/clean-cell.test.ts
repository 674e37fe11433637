import { expect, test } from "vitest";
import { workIn } from "../drift/at-work.ts";
import { makeProject } from "../project.ts";
import { startOwnServer } from "../server.ts";

test("twenty merchants with running jobs and an application that migrates its own tables show nothing in twenty previews", async () => {
  const ids = Array.from({ length: 20 }, (_, i) => `shop${i}`);
  const often = { jobs: { ops_cleanup: { schedule: "* * * * *" }, lot_expiry: { schedule: "* * * * *" } } };
  const own = await startOwnServer({ settings: {} });
  const project = await makeProject({
    merchants: Object.fromEntries(ids.map((id) => [id, often])),
    server: own.server,
  });
  try {
    const made = await project.pulumi("up", "--yes", "--skip-preview");
    expect(made.status, made.err + made.out).toBe(0);
    const busy = workIn(
      ids.map((id) => `merchant_${id}`),
      own.server,
    );
    try {
      for (let look = 1; look <= 20; look += 1) {
        const { status, out, err } = await project.pulumi("preview", "--refresh", "--diff", "--expect-no-changes");
        expect(status, `look ${look}:\n${err}${out}`).toBe(0);
      }
    } finally {
      expect(await busy.stop()).toBeGreaterThan(20);
    }
  } finally {
    project.remove();
    await own.remove();
  }
});
