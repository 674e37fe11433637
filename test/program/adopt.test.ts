import { expect, test } from "vitest";
import { JOBS } from "../../spec/jobs.ts";
import { grantTo, makeByHand } from "../hand-made.ts";
import { recover, withKillCase } from "../kill-case.ts";
import { valueOf } from "../ledger.ts";
import { prepareCell, specOf } from "../merchants.ts";
import { superuserClient } from "../server.ts";

test("a merchant that was made by hand is adopted: refused without the grant, then imported, and up converges", async () => {
  await withKillCase(1, async ({ project, merchants }) => {
    const [id = ""] = merchants;
    const spec = specOf(id, { database: id });
    await prepareCell();
    await makeByHand(spec);
    const expectUp = async () => {
      const { status, out, err } = await project.pulumi("up", "--yes", "--skip-preview");
      expect(status, out + err).toBe(0);
    };
    project.setMerchants({});
    await expectUp();
    project.setMerchants({ [id]: { database: id, jobs: { lot_expiry: { schedule: "15 1 * * *" } } } });

    const cron = await superuserClient("cron");
    const refused = await recover(project, "--adopt", id);
    expect(refused.status).toBe(1);
    expect(refused.err).toContain(grantTo(spec));
    await cron.query(grantTo(spec));

    const adopted = await recover(project, "--adopt", id);
    expect(adopted.status, adopted.out + adopted.err).toBe(0);
    for (const text of [
      `imported role ${spec.ownerRole}`,
      `imported database ${id}`,
      "copied 4 rows",
      "nightly expiry",
    ])
      expect(adopted.out).toContain(text);
    await expectUp();
    const look = await project.pulumi("preview", "--refresh", "--diff", "--expect-no-changes");
    expect(look.status, look.out + look.err).toBe(0);

    const jobs = await cron.query<{ jobname: string }>("select jobname from cron.job where database = $1", [id]);
    expect(jobs.rows.map(({ jobname }) => jobname).sort()).toEqual(
      Object.keys(JOBS)
        .map((job) => `${id}:${job}`)
        .sort(),
    );
    const client = await superuserClient(id);
    // One call of each kind as pg_cron makes it, by the job role: the rows that were there are what it works on.
    await client.query(`set role ${spec.jobRole}`);
    await client.query("call app.expire_lots()");
    await client.query("reset role");
    expect(await valueOf(client, "select count(*) from app.lots where expired_at is not null")).toBe("3");
    expect(await valueOf(client, "select sum(amount_minor) from app.ledger_entries where kind = 'grant'")).toBe(
      "21000",
    );
    expect(await valueOf(client, "select count(*) from before_merchant_jobs.job_runs")).toBe("4");
    await client.end();
    await cron.end();
  });
});
