import fastify, { type FastifyInstance } from "fastify";
import { z } from "zod";
import { isLoopback } from "../../spec/cells.ts";
import { ConfigError } from "../config.ts";
import type { Knowledge } from "../knowledge.ts";
import { steadyNow } from "../steady-clock.ts";
import { answerHealth } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import { renderFleet } from "./page.ts";
import { renderMerchant } from "./page-merchant.ts";
import { ICON, STYLE } from "./style.ts";
import { hasToken } from "./token.ts";

/** What the server answers from. */
export interface Served {
  readonly knowledge: Knowledge;
  readonly metrics: Metrics;
  readonly listen: { readonly host: string; readonly port: number };
  /** Undefined on a loopback address only. */
  readonly token: string | undefined;
}

/** Characters. A shorter one could be guessed. */
const SHORTEST_TOKEN = 16;

/** Whether the process lives, and whether it has begun to know: for those who start it, who have no token. */
const OPEN = new Set(["/healthz", "/readyz"]);

/** Throws a ConfigError when everybody on a network could ask, and nothing says who may. */
export function assertGuarded({ listen, token }: Pick<Served, "listen" | "token">): void {
  if (token !== undefined && token.length < SHORTEST_TOKEN) {
    throw new ConfigError(`MERCHANT_JOBS_RUNNER_TOKEN has fewer than ${SHORTEST_TOKEN} characters: make a longer one`);
  }
  if (token !== undefined || isLoopback(listen.host)) return;
  throw new ConfigError(
    `listen.host is ${listen.host}, where others can ask: set MERCHANT_JOBS_RUNNER_TOKEN, which they must then give as ` +
      "bearer token, or leave listen.host out for 127.0.0.1",
  );
}

/** What cannot be meant is left out: a page without a filter says more than an error. */
const query = z.object({
  cell: z.string().max(100).optional().catch(undefined),
  merchant: z.string().max(100).optional().catch(undefined),
  sort: z.string().max(20).optional().catch(undefined),
  show: z.string().max(20).optional().catch(undefined),
  q: z.string().max(100).optional().catch(undefined),
  page: z.coerce.number().int().min(1).max(100_000).catch(1),
});

/** Every answer says what it may load, which is nothing, and that it is of this moment. */
const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Makes the server. No request of it opens a connection to a database. Throws a ConfigError when it would be open to all. */
export function createServer(served: Served): FastifyInstance {
  assertGuarded(served);
  const { knowledge, metrics, token } = served;
  const app = fastify({ forceCloseConnections: true, bodyLimit: 1024, requestTimeout: 10_000 });
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(HEADERS);
    const path = request.url.split("?")[0] ?? "";
    if (token === undefined || OPEN.has(path) || hasToken(request.headers.authorization, token)) return;
    await reply.code(401).header("www-authenticate", "Bearer").send({ error: "give the bearer token" });
  });
  app.get("/healthz", () => ({ status: "alive" }));
  app.get("/readyz", (_request, reply) => {
    const left = [...knowledge.cells.values()].filter(({ seenAt, failure }) => seenAt === undefined && !failure);
    const cells = left.map(({ cell }) => cell);
    return reply.code(left.length === 0 ? 200 : 503).send({ status: left.length === 0 ? "ready" : "starting", cells });
  });
  app.get("/health", (request, reply) => {
    const { code, body } = answerHealth(knowledge, query.parse(request.query), steadyNow());
    return reply.code(code).send(body);
  });
  app.get("/metrics", async (_request, reply) => {
    const text = await metrics.render(knowledge);
    return reply.type(metrics.contentType).send(text);
  });
  app.get("/style.css", (_request, reply) => reply.type("text/css").send(STYLE));
  app.get("/icon.svg", (_request, reply) => reply.type("image/svg+xml").send(ICON));
  app.get("/", (request, reply) => {
    const asked = query.parse(request.query);
    const page =
      asked.merchant === undefined
        ? renderFleet(knowledge, asked, steadyNow())
        : renderMerchant(knowledge, { cell: asked.cell, merchant: asked.merchant }, steadyNow());
    return reply.code(page.code).type("text/html").send(page.html);
  });
  return app;
}
