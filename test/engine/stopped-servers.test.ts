// A pull request's preview: no server answers, and nobody minds.
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { parseEngineOutput } from "../../report/engine-events.ts";
import { summarize } from "../../report/summary/model.ts";
import { renderSummary } from "../../report/summary/render.ts";
import { makeProject } from "../project.ts";

/** A port of this machine at which nobody answers. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("a preview of 50 merchants with every server stopped says what would be made", async () => {
  const ids = Array.from({ length: 50 }, (_, i) => `m${String(i).padStart(2, "0")}`);
  const project = await makeProject({
    merchants: Object.fromEntries(ids.map((id) => [id, {}])),
    server: { host: "127.0.0.1", port: await closedPort(), admin: "nobody", password: "none" },
  });
  try {
    const { status, out, err } = await project.pulumi("preview", "--json");
    expect(status, err + out).toBe(0);
    const summary = summarize("test", parseEngineOutput(out));
    expect(summary).toMatchObject({ created: ids, changed: [], destructive: [], succeeded: true });
    const comment = renderSummary(summary);
    expect(comment).toContain("50 new merchants");
    expect(comment).toContain("cell home: at most 150 of 250 jobs start in one minute");
  } finally {
    project.remove();
  }
});
