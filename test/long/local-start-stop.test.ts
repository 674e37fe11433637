import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { readServerFile, type RunningServer, serverStatus, startServer, stopServer } from "../../local/postgres.ts";
import { adminClient, superuserClient, testServer, waitFor, withOwnFolder, withOwnServer } from "../server.ts";
import { runWithLocalServer } from "../db/local-server/project-copy.ts";

/** Every process that works in a data folder, found by its title: the folder in its command line, or a child of that. */
async function processesOf(server: RunningServer): Promise<readonly string[]> {
  const lines = await Promise.all(
    (await readdir("/proc")).map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  const name = /cluster_name = '(.*)'/.exec(await readFile(join(server.dataFolder, "postgresql.conf"), "utf8"))?.[1];
  return lines.filter((line) => line.includes(server.dataFolder) || line.includes(`postgres: ${name}: `));
}

async function postmasterPid(folder: string): Promise<number> {
  const status = await serverStatus(folder);
  if (status.state !== "running") throw new Error(`the server is ${status.state}`);
  return status.pid;
}

/** Fails unless a server answers to the administrator and pg_cron's scheduler runs on it. */
async function expectWorking(server: RunningServer): Promise<void> {
  const client = await adminClient(server.cronDatabase, server);
  try {
    const { rows } = await client.query(
      "select application_name from pg_stat_activity where application_name = 'pg_cron scheduler'",
    );
    expect(rows).toEqual([{ application_name: "pg_cron scheduler" }]);
  } finally {
    await client.end();
  }
}

test("starting twice is one server, with one address and one password", async () => {
  await withOwnServer({}, async (server, folder) => {
    const pid = await postmasterPid(folder);
    expect(await startServer({ folder })).toEqual(server);
    // The one from npm does not take its place.
    await expect(startServer({ folder, embedded: true })).rejects.toMatchObject({ code: "other_server" });
    expect(await postmasterPid(folder)).toBe(pid);
    await expectWorking(server);
  });
});

test("processes that start a new server at the same moment end with the same one", async () => {
  await withOwnFolder(undefined, async (folder) => {
    const text = `
      const server = await postgres.startServer({ folder: ${JSON.stringify(folder)}, durable: false });
      console.log(JSON.stringify([server.port, server.password, (await postgres.serverStatus(${JSON.stringify(folder)})).pid]));`;
    const starts = await Promise.all([1, 2, 3].map(async () => await runWithLocalServer(text)));
    expect(starts.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
      starts.map(() => ({ status: 0, stderr: "" })),
    );
    expect(new Set(starts.map(({ stdout }) => stdout)).size).toBe(1);
    await expectWorking(await startServer({ folder }));
  });
});

test("a start that was killed while it held the lock does not stop the next one", async () => {
  await withOwnFolder(undefined, async (folder) => {
    const text = `
      await postgres.startServer({ folder: ${JSON.stringify(folder)}, durable: false, log: () => process.kill(process.pid, "SIGKILL") });`;
    expect((await runWithLocalServer(text)).status).toBeNull();
    // What a killed initdb leaves.
    await mkdir(join(folder, "postgres", "data.unfinished"));
    await writeFile(join(folder, "postgres", "data.unfinished", "PG_VERSION"), "15\n");
    const server = await startServer({ folder, durable: false });
    await expectWorking(server);
    expect((await readdir(join(folder, "postgres"))).sort()).toEqual([
      "cluster.json",
      "data",
      "server.log",
      "superuser.json",
    ]);
  });
});

test("stopping leaves no process, can be done again, and keeps port, passwords and data", async () => {
  await withOwnServer({ durable: true }, async (server, folder) => {
    const client = await adminClient("postgres", server);
    await client.query("create database kept");
    expect((await processesOf(server)).length).toBeGreaterThan(5);

    // With the client still connected: a fast shutdown does not wait for it.
    await stopServer(folder);
    expect(await processesOf(server)).toEqual([]);
    expect(await serverStatus(folder)).toEqual({ state: "stopped", dataFolder: server.dataFolder, port: server.port });
    expect((await readServerFile(folder)).port).toBe(server.port);
    await stopServer(folder);
    await client.end().catch(() => undefined);

    expect(await startServer({ folder })).toEqual(server);
    const again = await adminClient("kept", server);
    await again.end();
  });
});

test("nothing is started by asking, and nothing is there to stop before a first start", async () => {
  await withOwnFolder(undefined, async (folder) => {
    expect(await serverStatus(folder)).toEqual({ state: "absent" });
    await stopServer(folder);
    await expect(readServerFile(folder)).rejects.toMatchObject({
      code: "not_started",
      message: expect.stringContaining("npm run server -- start") as string,
    });
    await expect(stat(folder)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

test("after kill -9 of the postmaster a start takes over, backends that did not notice included", async () => {
  await withOwnServer({}, async (server, folder) => {
    const killed = await postmasterPid(folder);
    const busy = await superuserClient("postgres", server);
    const { rows } = await busy.query<{ pid: number }>("select pg_backend_pid() as pid");
    const backend = rows[0]?.pid;
    // A loop in the executor, which does not look whether the postmaster is alive.
    const query = busy.query("select count(*) from generate_series(1, 1e12::bigint)").then(
      () => "finished",
      () => "cut off",
    );
    const watcher = await superuserClient("postgres", server);
    await waitFor(
      async () =>
        (await watcher.query("select from pg_stat_activity where pid = $1 and state = 'active'", [backend]))
          .rowCount === 1,
      { what: "the long query runs" },
    );

    process.kill(killed, "SIGKILL");
    expect(await startServer({ folder, durable: false })).toEqual(server);
    expect(await query).toBe("cut off");
    expect(await postmasterPid(folder)).not.toBe(killed);
    // A zombie, which nobody waits for in some containers, has no command line any more.
    expect(await readFile(`/proc/${backend}/cmdline`, "utf8").catch(() => "")).toBe("");
    await expectWorking(server);
    await Promise.allSettled([busy.end(), watcher.end()]);
  });
});

test("a postmaster.pid whose number went to another process stops neither a start nor a stop", async () => {
  await withOwnServer({}, async (server, folder) => {
    const text = await readFile(join(server.dataFolder, "postmaster.pid"), "utf8");
    await stopServer(folder, "immediate");
    // The other server of this run, alive and with the same user: PostgreSQL itself would take it for ours.
    const other = (await readFile(join(testServer().dataFolder, "postmaster.pid"), "utf8")).split("\n")[0];
    await writeFile(join(server.dataFolder, "postmaster.pid"), [other, ...text.split("\n").slice(1)].join("\n"));

    expect((await serverStatus(folder)).state).toBe("stopped");
    await stopServer(folder);
    await expectWorking(testServer());
    expect(await startServer({ folder, durable: false })).toEqual(server);
    await expectWorking(testServer());
  });
});

test.for(["two words", "50% #1? ' \" $HOME `id`"])("works in a folder named <%s>", async (folderName) => {
  await withOwnServer({ folderName }, async (server, folder) => {
    expect(basename(folder)).toContain(folderName);
    await expectWorking(server);
    await stopServer(folder);
    expect(await processesOf(server)).toEqual([]);
  });
});

test("two folders have two servers, each with its own port, passwords and processes", async () => {
  await withOwnServer({}, async (one, folder) => {
    await withOwnServer({}, async (other) => {
      for (const key of ["port", "password", "dataFolder", "serverFile"] as const)
        expect(one[key]).not.toBe(other[key]);
      expect(one.superuser.password).not.toBe(other.superuser.password);
      await stopServer(folder);
      await expectWorking(other);
    });
  });
});

test("settings of the caller win, and a server is like the real ones otherwise", async () => {
  await withOwnServer({ settings: { max_connections: "30", "cron.max_running_jobs": "3" } }, async (server) => {
    expect(server.maxConnections).toBe(30);
    const client = await superuserClient("postgres", server);
    const { rows } = await client.query<{ name: string; setting: string }>(
      `select name, setting from pg_settings
       where name in ('max_connections', 'max_worker_processes', 'fsync', 'listen_addresses', 'TimeZone', 'lc_collate',
         'unix_socket_directories', 'cron.max_running_jobs', 'cron.use_background_workers', 'server_encoding')`,
    );
    const lax = await client.query("select * from pg_hba_file_rules where auth_method <> 'scram-sha-256'");
    await client.end();
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      "cron.max_running_jobs": "3",
      "cron.use_background_workers": "on",
      fsync: "off",
      lc_collate: "C.UTF-8",
      listen_addresses: "127.0.0.1",
      max_connections: "30",
      max_worker_processes: "20",
      server_encoding: "UTF8",
      TimeZone: "GMT",
      unix_socket_directories: "",
    });
    expect(lax.rows).toEqual([]);
  });
});
