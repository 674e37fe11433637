import { expect, test } from "vitest";
import { provider } from "../../components/providers/roster.ts";
import { applyCrontab } from "../../converge/crontab.ts";
import { prepareCell, specOf, targetsOf, testCell } from "../merchants.ts";
import { startOwnServer, superuserClient, testServer } from "../server.ts";

const config = {
  get(key: string) {
    const { host, port, admin } = testServer();
    const home = { kind: "server", host, port, admin, credential: { config: "password" }, tls: "disable" };
    return key === "cells" ? JSON.stringify({ home }) : testServer().password;
  },
};
const merchants = { acme: { cell: "home", database: "merchant_acme" } };

test("a stack whose schedules need a newer pg_cron than a cell has is refused before anything of it is made", async () => {
  const creating = provider.create(config, { merchants, requires: { home: "1.6" } });
  if (testServer().pgCronVersion === "1.6") await creating;
  else
    await expect(creating).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/cell home has pg_cron 1\.4.*needs 1\.6/) as string,
    });
  await expect(provider.create(config, { merchants, requires: {} })).resolves.toMatchObject({ id: "roster" });
});

test("a cell whose pg_cron opens client connections is refused: job roles do not log in", async () => {
  const server = await startOwnServer({ settings: { "cron.use_background_workers": "off" } });
  try {
    const address = testCell(server.server);
    await prepareCell(address);
    await expect(applyCrontab(targetsOf(specOf("acme"), address).crontab)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("cron.use_background_workers is off") as string,
    });
    const client = await superuserClient("cron", server.server);
    expect((await client.query("select from cron.job where database <> 'cron'")).rows).toEqual([]);
    await client.end();
  } finally {
    await server.remove();
  }
});
