import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { marker } from "../../report/markdown.ts";
import { ROBOT, withGitHub } from "../github.ts";

const folder = mkdtempSync(path.join(tmpdir(), "merchant jobs posts "));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A file as the workflows hand it to the scripts. */
function file(text: string): string {
  const name = path.join(folder, "prod.md");
  writeFileSync(name, text);
  return name;
}

describe("the comment on a pull request, .ci/post-comment", () => {
  const preview = (stack: string, text: string) => `${marker("preview", stack)}\n${text}\n`;
  const dev = { author: ROBOT, body: preview("dev", "of dev") };

  test("it is made once for each stack and updated from then on, also where it stands on a later page", () =>
    withGitHub({ comments: [dev, { author: "somebody", body: "looks good" }] }, async ({ comments, run }) => {
      for (const text of ["first", "second"]) {
        expect(await run("post-comment", "7", file(preview("prod", text)))).toEqual({ status: 0, err: "" });
        expect(comments.map(({ body }) => body)).toEqual([dev.body, "looks good", preview("prod", text)]);
      }
    }));

  test("one that somebody else wrote is left alone, though it begins with the marker", () =>
    withGitHub({ comments: [{ author: "somebody", body: preview("prod", "theirs") }] }, async ({ comments, run }) => {
      expect(await run("post-comment", "7", file(preview("prod", "ours")))).toEqual({ status: 0, err: "" });
      expect(comments.map(({ body }) => body)).toEqual([preview("prod", "theirs"), preview("prod", "ours")]);
    }));

  test.for(["", "a summary that was cut\n"])("a file without a marker is refused, and no comment is lost: %j", (text) =>
    withGitHub({ comments: [dev] }, async ({ comments, run }) => {
      const { status, err } = await run("post-comment", "7", file(text));
      expect(status).toBe(1);
      expect(err).toContain("prod.md does not begin with a marker");
      expect(comments).toEqual([dev]);
    }),
  );

  test("what GitHub refuses is an error", () =>
    withGitHub({}, async ({ run }) => {
      const { status, err } = await run("post-comment", "8", file(preview("prod", "text")));
      expect(status).not.toBe(0);
      expect(err).toContain("Not Found");
    }));
});

describe("the issue of a stack, .ci/post-drift", () => {
  const drift = (text: string) => `${marker("drift", "prod")}\n${text}\n`;
  const others = [
    { author: "somebody", state: "open", title: "theirs", body: drift("theirs") },
    { author: ROBOT, state: "open", title: "of dev", body: `${marker("drift", "dev")}\nof dev\n` },
    { author: ROBOT, state: "closed", title: "of last year", body: drift("of last year") },
    { author: ROBOT, state: "open", title: "a pull request", body: drift("no issue"), isPullRequest: true as const },
  ];

  test("it is made when there is something to say, kept up to date, and closed when there is nothing", () =>
    withGitHub({ issues: others }, async ({ issues, run }) => {
      const own = () => issues.slice(others.length);
      const looks = [
        ["2", "a difference", "Drift of stack prod", "open"],
        ["1", "and no look", "Drift: could not look at all of stack prod", "open"],
        ["2", "a difference", "Drift of stack prod", "open"],
        ["0", "clean", "Drift of stack prod", "closed"],
      ] as const;
      for (const [status, text, title, state] of looks) {
        expect(await run("post-drift", "prod", status, file(drift(text)))).toEqual({ status: 0, err: "" });
        expect(own()).toMatchObject([{ author: ROBOT, title, state, body: drift(text) }]);
      }
      expect(issues.slice(0, others.length)).toEqual(others);
    }));

  test("a stack that is clean needs none", () =>
    withGitHub({ issues: others }, async ({ issues, run }) => {
      expect(await run("post-drift", "prod", "0", file(drift("clean")))).toEqual({ status: 0, err: "" });
      expect(issues).toEqual(others);
    }));

  test.for(["0", "124"])(
    "a look that ended with %s and without a report could not look, and says where it was",
    (status) =>
      withGitHub({}, async ({ issues, run }) => {
        expect(await run("post-drift", "prod", status, file(""))).toEqual({ status: 0, err: "" });
        expect(issues).toMatchObject([{ title: "Drift: could not look at all of stack prod", state: "open" }]);
        expect(issues[0]?.body.split("\n")[0]).toBe(marker("drift", "prod"));
        expect(issues[0]?.body).toContain("https://github.com/o/r/actions/runs/1");
      }),
  );

  test("an exit status that drift does not have is refused", () =>
    withGitHub({}, async ({ issues, run }) => {
      const { status, err } = await run("post-drift", "prod", "3", file(drift("text")));
      expect(status).toBe(1);
      expect(err).toContain("not 3");
      expect(issues).toEqual([]);
    }));
});
