import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUCKET_TIMEOUT, makeBucket, type TestBucket } from "../aws/bucket.ts";
import { type Moto, MOTO_SECRET, startMoto } from "../aws/moto.ts";
import { withKillCase } from "../kill-case.ts";
import {
  declare,
  expectAfter,
  expectExportWhole,
  killAndGoOn,
  openOffboardCase,
  type TestPlace,
  up,
} from "../offboard-case.ts";
import { superuserClient } from "../server.ts";

let moto: Moto;
let bucket: TestBucket;

beforeAll(async () => {
  moto = await startMoto();
  bucket = await makeBucket(moto, "exports-of-tests");
}, BUCKET_TIMEOUT);
afterAll(async () => {
  bucket.client.destroy();
  await moto.stop();
});

test("a merchant leaves in three ups: exported to S3, dropped while it is killed, forgotten", async () => {
  await withKillCase(2, async (at) => {
    Object.assign(at.project.env, moto.env);
    const place: TestPlace = {
      address: "s3://exports-of-tests/merchants",
      halfWritten: () => bucket.uploads(),
      async fileOf(exported) {
        const file = path.join(at.project.folder, "fetched.dump");
        writeFileSync(file, await bucket.get(exported.replace("s3://exports-of-tests/", "")));
        return file;
      },
    };
    const offboard = await openOffboardCase(at, place);
    const { leaving } = offboard;
    const preview = async (...flags: string[]) => {
      const { status, out, err } = await at.project.pulumi("preview", "--diff", ...flags);
      return { status, text: out + err };
    };
    const refused = async (reason: string) => {
      const { status, text } = await preview();
      expect(status, text).not.toBe(0);
      expect(text).toContain(reason);
    };

    declare(offboard, "drop");
    await refused("has no export of an earlier up");

    declare(offboard, "export");
    await up(offboard);
    await expectAfter(offboard, "export");
    await expectExportWhole(offboard);
    const clean = await preview("--refresh", "--expect-no-changes");
    expect(clean.status, clean.text).toBe(0);

    declare(offboard, "gone");
    await refused("drop it by drop: true and confirm");
    declare(offboard, "drop");
    const visitor = await superuserClient(leaving);
    const stopped = await at.project.pulumi("up", "--yes", "--skip-preview");
    expect(stopped.status).not.toBe(0);
    expect(stopped.out + stopped.err).toContain(`is in database ${leaving}`);
    await visitor.end();
    await expectAfter(offboard, "export");
    // Killed when the server has dropped the database, and the state does not know; crontab and migrations went before.
    const dropped = { statement: /^DROP DATABASE "?kill/, when: "after" } as const;
    const killed = await killAndGoOn(offboard, "drop", dropped, {
      look: async () => {
        const { resources } = await at.project.state();
        const left = resources
          .filter(({ urn }) => urn.includes(`::${leaving}`))
          .map(({ type }) => type.split(":").at(-1));
        expect(left.sort()).toEqual(["Access", "Database", "Merchant", "Offboard", "Role"]);
      },
    });
    expect(killed).toBe(true);
    await expectAfter(offboard, "drop");

    declare(offboard, "gone");
    await up(offboard);
    await expectAfter(offboard, "gone");
    expect(JSON.stringify(await at.project.state())).not.toContain(MOTO_SECRET);
  });
});
