import { expect } from "vitest";
import { JOBS } from "../spec/jobs.ts";
import { makeProject } from "./project.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "./server.ts";

/** Onboards thirty merchants in one up, with the default parallelism: not one change is tried twice, and nothing differs afterwards. */
export async function onboardThirty(): Promise<void> {
  const prefix = freshName("many");
  const ids = Array.from({ length: 30 }, (_, i) => `${prefix}_${i}`);
  const project = await makeProject({ merchants: Object.fromEntries(ids.map((id) => [id, {}])) });
  try {
    const { status, out, err } = await project.pulumi("up", "--yes", "--skip-preview");
    expect(status, err + out).toBe(0);
    expect(err + out).not.toContain("concurrently updated");
    const client = await superuserClient("cron");
    try {
      const { rows } = await client.query(
        "select count(*)::int as jobs, count(distinct database)::int as merchants from cron.job where starts_with(database, $1)",
        [`merchant_${prefix}`],
      );
      expect(rows).toEqual([{ jobs: 30 * Object.keys(JOBS).length, merchants: 30 }]);
    } finally {
      await client.end();
    }
    expect((await project.pulumi("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
  } finally {
    project.remove();
    await dropMerchantLeftovers(`merchant_${prefix}`);
  }
}
