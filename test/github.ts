// A stand-in for GitHub's comments and issues, and the real gh to talk to it: Debian's package, which is not installed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { text } from "node:stream/consumers";
import { findIn, unpackDebian } from "./debian.ts";

const repository = path.join(import.meta.dirname, "..");
export const ROBOT = "github-actions[bot]";

/** A comment of the pull request, or an issue. */
export interface Post {
  readonly author: string;
  readonly body: string;
  readonly title?: string;
  readonly state?: string;
  /** Issues and pull requests are listed together. */
  readonly isPullRequest?: true;
}

export interface GitHub {
  /** What there is, in the order in which it was made. */
  readonly comments: Post[];
  readonly issues: Post[];
  /** Runs a script of .ci/ against it; gives back its exit status and what it printed. */
  readonly run: (
    script: string,
    ...args: readonly string[]
  ) => Promise<{ readonly status: number; readonly err: string }>;
}

/** So few that what a script looks for may stand on the second page. */
const PAGE = 2;

/** Serves a GitHub with these comments on the pull request 7, and these issues. */
export async function withGitHub(start: Partial<GitHub>, work: (github: GitHub) => Promise<void>): Promise<void> {
  const comments = [...(start.comments ?? [])];
  const issues = [...(start.issues ?? [])];
  const server = createServer((request, response) => {
    void answer(request, comments, issues).then(({ status, body, next }) => {
      response.writeHead(status, {
        "content-type": "application/json",
        ...(next && { link: `<${next}>; rel="next"` }),
      });
      response.end(JSON.stringify(body));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    await work({ comments, issues, run: (script, ...args) => run(port, script, args) });
  } finally {
    server.close();
  }
}

async function answer(request: IncomingMessage, comments: Post[], issues: Post[]) {
  // gh asks by way of a proxy, so the address is whole.
  const { href, pathname, searchParams } = new URL(request.url ?? "");
  const fields = (request.method === "GET" ? {} : JSON.parse(await text(request))) as Partial<Post>;
  const [, id] = /^\/repos\/o\/r\/issues\/(?:comments\/)?(\d+)$/.exec(pathname) ?? [];
  const posts = pathname.includes("comments") ? comments : issues;
  if (request.method === "PATCH" && id !== undefined && posts[Number(id)] !== undefined) {
    posts[Number(id)] = { ...posts[Number(id)]!, ...fields };
    return { status: 200, body: {} };
  }
  if (pathname !== "/repos/o/r/issues/7/comments" && pathname !== "/repos/o/r/issues")
    return { status: 404, body: { message: "Not Found" } };
  if (request.method === "POST") {
    posts.push({ author: ROBOT, state: "open", body: "", ...fields });
    return { status: 201, body: {} };
  }
  const asked = (name: string, value = "") => !searchParams.has(name) || searchParams.get(name) === value;
  const page = Number(searchParams.get("page") ?? 1);
  const found = posts
    .map(({ author, isPullRequest, ...post }, at) => {
      return { ...post, id: at, number: at, user: { login: author }, pull_request: isPullRequest ? {} : undefined };
    })
    .filter(({ state, user }) => asked("state", state) && asked("creator", user.login));
  const next = new URL(href);
  next.searchParams.set("page", String(page + 1));
  return {
    status: 200,
    body: found.slice((page - 1) * PAGE, page * PAGE),
    next: found.length > page * PAGE ? next.href : undefined,
  };
}

async function run(port: number, script: string, args: readonly string[]) {
  const gh = path.dirname(findIn(unpackDebian("gh"), "bin/gh"));
  const child = spawn(path.join(repository, ".ci", script), args, {
    env: {
      PATH: `${gh}:${process.env["PATH"] ?? ""}`,
      HOME: path.join(repository, ".local", "no-home"),
      GH_TOKEN: "for-this-test",
      // The one host that gh speaks to without TLS; its name leads nowhere, so the proxy is the server.
      GH_HOST: "github.localhost",
      HTTP_PROXY: `http://127.0.0.1:${port}`,
      GITHUB_REPOSITORY: "o/r",
      RUN: "https://github.com/o/r/actions/runs/1",
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [err, [status]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number]>]);
  return { status, err };
}
