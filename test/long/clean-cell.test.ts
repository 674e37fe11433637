import { expect, test } from "vitest";
import { workIn } from "../drift/at-work.ts";
import { sectionsOf } from "../drift/sections.ts";
import { budgetOf } from "../long-budget.ts";
import { makeProject } from "../project.ts";
import { startOwnServer } from "../server.ts";

const LOOKS = 20;

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
      const until = performance.now() + (budgetOf(1 / 5) ?? Infinity) * 60_000;
      let looks = 0;
      // Two of them at least, whatever the budget.
      while (looks < LOOKS && (looks < 2 || performance.now() < until)) {
        looks += 1;
        const { status, out, err } = await project.pulumi("preview", "--refresh", "--diff", "--expect-no-changes");
        expect(status, `look ${looks}:\n${err}${out}`).toBe(0);
        expect([...sectionsOf(out).keys()], `look ${looks}:\n${out}`).toEqual([]);
      }
      process.stdout.write(`looks at a cell at work: ${String(looks)} of ${String(LOOKS)}\n`);
    } finally {
      expect(await busy.stop()).toBeGreaterThan(20);
    }
  } finally {
    project.remove();
    await own.remove();
  }
});
