import { expect, test } from "vitest";

import { withKitProject } from "../../engine/project.ts";
import { superuserClient } from "../../server.ts";
import { withKitAdmin } from "./kit-server.ts";

const TIMEOUT = 600_000;

test(
  "databases made side by side do not take the administrator's membership in their owner from each other (helpers.go, pgLockRole)",
  () =>
    withKitAdmin(({ env, names, sql }) =>
      withKitProject(
        async (project) => {
          const { conf_admin: admin = "", conf_acme: prefix = "" } = names;
          const [lent, kept] = [`${prefix}_lent`, `${prefix}_kept`];
          const role = (name: string) => ({ type: "role", name, args: { name } });
          project.write("plan.json", [role(lent), role(kept)]);
          expect(await project.run("up", "--yes", "--skip-preview")).toMatchObject({ status: 0 });
          await sql(`grant ${kept} to ${admin}`);
          const databases = [lent, kept].flatMap((owner) =>
            [1, 2, 3].map((i) => ({ type: "database", name: `${owner}_${i}`, args: { name: `${owner}_${i}`, owner } })),
          );
          project.write("plan.json", [role(lent), role(kept), ...databases]);
          expect(await project.run("up", "--yes", "--skip-preview", "--parallel", "8")).toMatchObject({ status: 0 });
          const client = await superuserClient("postgres");
          const { rows } = await client.query(
            `select d.datname as name, pg_get_userbyid(d.datdba) as owner,
               exists (select from pg_auth_members as m
                       where m.roleid = d.datdba and m.member = $1::regrole
                         and coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)) as member
             from pg_database as d where d.datname like $2 order by d.datname`,
            [admin, `${prefix}%`],
          );
          await client.end();
          expect(rows).toEqual(
            databases
              .map(({ args }) => ({ ...args, member: args.owner === kept }))
              .sort((a, b) => (a.name < b.name ? -1 : 1)),
          );
        },
        "conformance-postgresql",
        env,
      ),
    ),
  TIMEOUT,
);
