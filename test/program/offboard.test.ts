import { expect, test } from "vitest";
import { withKillCase } from "../kill-case.ts";
import { declare, expectAfter, expectExportWhole, killAndGoOn, openOffboardCase, up } from "../offboard-case.ts";
import { superuserClient } from "../server.ts";

test("a merchant leaves in three ups: exported, dropped while it is killed, forgotten", async () => {
  await withKillCase(2, async (at) => {
    const offboard = await openOffboardCase(at);
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
  });
});
