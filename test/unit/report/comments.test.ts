// The comments of a pull request, for few and many merchants, as they stand under comments/. To write them anew after a
// change that is meant: npx vitest run --project unit test/unit/report --update. Then look at them.
import path from "node:path";
import { expect, test } from "vitest";
import { parseEngineOutput } from "../../../report/engine-events.ts";
import { summarize } from "../../../report/summary/model.ts";
import { renderSummary } from "../../../report/summary/render.ts";
import { type Plan, previewOf, recorded } from "./preview-events.ts";

const commentOn = (stack: string, output: string) => renderSummary(summarize(stack, parseEngineOutput(output)));
const golden = (name: string) => path.join(import.meta.dirname, "comments", `${name}.md`);
const ids = (n: number) => Array.from({ length: n }, (_, i) => `shop_${String(i + 1).padStart(4, "0")}`);

/** A release: a new migration, other routines, and expiry an hour later for all but a few. */
function release(id: string, index: number): Plan {
  return {
    id,
    crontab: (jobs) => {
      if (index % 17 !== 5) jobs["lot_expiry"] = { ...jobs["lot_expiry"], schedule: "0 3 * * *" };
    },
    migrations: ({ migrations, routines }) => {
      migrations["ledger/migrations/003_add_note.sql"] = "5f2b0c4ad9e1";
      routines["ledger"] = "09c1ffb2a7d0";
    },
  };
}

test("one merchant's schedule, and one that is new: a recorded preview", async () => {
  await expect(commentOn("dev", recorded)).toMatchFileSnapshot(golden("1"));
});

test("50 merchants: a release, some new, one removed, one replaced, some with changes of their own", async () => {
  const plans = ids(50).map((id, index): Plan => {
    if (index < 3) return { id, op: "create" };
    if (index === 10) return { id, op: "delete" };
    if (index === 11) return { ...release(id, index), op: "replace" };
    if (index === 20) return { ...release(id, index), database: (inputs) => void (inputs["connectionLimit"] = 200) };
    if (index === 30) {
      return {
        ...release(id, index),
        crontab: (jobs, inputs) => {
          inputs["suspended"] = true;
          for (const job of Object.values(jobs)) job["active"] = false;
        },
      };
    }
    if (index !== 40) return release(id, index);
    const hostile = "CALL app.x(); -- | `@everyone` [link](https://example.com) <img src=x> \\| *bold* #1\n## heading";
    return { id, crontab: (jobs) => (jobs["nightly|`job`"] = { schedule: "@hourly", command: hostile, active: true }) };
  });
  await expect(commentOn("prod", previewOf(plans))).toMatchFileSnapshot(golden("50"));
});

test("1,500 merchants: said once, spread in 1,500 minutes, and errors beyond the limit cut by whole lines", async () => {
  const all = ids(1_500);
  const plans = all.map((id, index): Plan => {
    const plan = release(id, [7, 700, 1_400].includes(index) ? 5 : 0);
    return {
      ...plan,
      crontab: (jobs, inputs) => {
        plan.crontab?.(jobs, inputs);
        const minute = `${index % 60} ${2 + (index % 3)} * * *`;
        jobs["history_cleanup"] = { ...jobs["history_cleanup"], schedule: minute };
      },
    };
  });
  const errors = all.map((id, index) => ({
    severity: "error",
    urn: `urn:pulumi:prod::merchant-jobs::merchant-jobs:index:Merchant$pulumi-nodejs:dynamic/merchant-jobs:Migrations::${id}-migrations`,
    message: `migrations: was edited after it was applied, ${"again and ".repeat(index % 9)}for the ${index}th time: put it back`,
  }));
  const comment = commentOn("prod", previewOf(plans, errors));
  expect(comment.length).toBeLessThan(60_000);
  expect(comment).toMatch(/_… and [\d,]+ more errors, left out here/);
  await expect(comment).toMatchFileSnapshot(golden("1500"));
});
