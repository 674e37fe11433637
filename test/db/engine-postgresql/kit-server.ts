import { randomBytes } from "node:crypto";

import { freshName, superuserClient, testServer } from "../../server.ts";

/** An administrator of its own on the test server, as on RDS: NOSUPERUSER CREATEDB CREATEROLE. */
interface KitAdmin {
  /** What is not to meet other tests' names, by the name that the kit has for it. */
  readonly names: Readonly<Record<string, string>>;
  readonly env: NodeJS.ProcessEnv;
  /** Does one statement as the superuser. */
  readonly sql: (statement: string) => Promise<void>;
}

/** Gives the work an administrator; roles and databases that it made are removed after it. */
export async function withKitAdmin<T>(work: (admin: KitAdmin) => Promise<T>): Promise<T> {
  const server = testServer();
  const admin = freshName("conf_admin");
  const prefix = freshName("conf_acme");
  const password = randomBytes(12).toString("hex");
  const sql = async (statement: string) => {
    const client = await superuserClient("postgres");
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  await sql(`create role ${admin} nosuperuser createdb createrole login password '${password}'`);
  try {
    return await work({
      names: { conf_admin: admin, conf_acme: prefix },
      env: { PGHOST: server.host, PGPORT: String(server.port), PGUSER: admin, PGPASSWORD: password },
      sql,
    });
  } finally {
    await dropLeftovers([prefix, admin]);
  }
}

async function dropLeftovers(prefixes: readonly string[]): Promise<void> {
  const client = await superuserClient("postgres");
  try {
    for (const [catalog, column, what] of [
      ["pg_database", "datname", "database"],
      ["pg_roles", "rolname", "role"],
    ] as const) {
      const { rows } = await client.query<{ name: string }>(
        `select ${column}::text as name from pg_catalog.${catalog} where ${column} like any ($1)`,
        [prefixes.map((prefix) => `${prefix}%`)],
      );
      for (const { name } of rows) {
        const quoted = client.escapeIdentifier(name);
        if (what === "role") await client.query(`reassign owned by ${quoted} to current_user`);
        await client.query(`drop ${what} ${quoted}`);
      }
    }
  } finally {
    await client.end();
  }
}
