// Every block of code of README and docs/ is one that works, as far as can be known without a server: commands are parsed by
// what runs them, files are there, YAML is read by the parser of stack files. For the rest test/docs/claims.ts says who answers.
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import * as rds from "@aws-sdk/client-rds";
import * as s3 from "@aws-sdk/client-s3";
import * as secretsmanager from "@aws-sdk/client-secrets-manager";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { parseCommandLine } from "../../../local/engine/options.ts";
import { parseConfig } from "../../../runner/config.ts";
import { parseStack } from "../../../spec/stack.ts";
import { allBlocksOf, type Block, pages, textOf } from "../../docs.ts";
import { AWS_NOT_LOOKED_UP, NOT_TRIED, OF_POSTGRESQL, OF_THE_CLI, OF_THE_SYSTEM, PRINTED } from "../../docs/claims.ts";
import { type Command, commandsOf } from "../../docs/shell.ts";

const repository = path.join(import.meta.dirname, "..", "..", "..");
const { scripts } = JSON.parse(textOf("package.json")) as { readonly scripts: Readonly<Record<string, string>> };
const tests = globSync(["test/*.ts", "test/{db,long,program,unit}/**/*.ts"], { cwd: repository })
  .filter((file) => !file.endsWith(path.join("docs", path.basename(import.meta.filename))))
  .map((file) => textOf(file));
/** What a cell of a snippet is that names none. */
const CELLS = { home: { kind: "local" } };

const blocks = pages().flatMap((page) => allBlocksOf(page));

test.each([...new Set(blocks.map(({ page }) => page))])(
  "%s has blocks of code that work, or that a test answers for",
  (page) => {
    const problems = blocks
      .filter((block) => block.page === page)
      .flatMap((block) =>
        paragraphsOf(block).flatMap((text) =>
          problemsOf(() => {
            check(block, text);
          }, `${page}:${block.line}: ${text}`),
        ),
      );
    expect(problems).toEqual([]);
  },
);

test.each(pages())("%s names in its sentences commands that there are", (page) => {
  const wrong = spansOf(page).flatMap((text) =>
    problemsOf(() => {
      for (const command of commandsOf(text)) checkCommand(page, command);
    }, `${page}: ${text}`),
  );
  expect(wrong).toEqual([]);
});

test("each claim is needed by a page", () => {
  const programs = blocks
    .filter(({ language }) => language === undefined || language === "sh")
    .flatMap((block) => paragraphsOf(block).filter((text) => !isPrinted(text)))
    .flatMap((text) => text.split(/[\s(|]+/));
  const inSentences = pages().flatMap((page) => spansOf(page).flatMap((span) => span.split(" ")));
  expect(PRINTED.filter(([begins]) => !blocks.some(({ text }) => text.includes(begins)))).toEqual([]);
  const named = [...OF_POSTGRESQL, ...OF_THE_SYSTEM, ...Object.keys(NOT_TRIED), ...AWS_NOT_LOOKED_UP];
  expect(named.filter((program) => ![...programs, ...inSentences].includes(program))).toEqual([]);
});

test.each(pages())("%s links to pages, sections, pictures and files that are there", (page) => {
  const links = [...textOf(page).matchAll(/(?:\]\(|src=")(?!https?:)([^)"#\s]*)(?:#([^)"]*))?[)"]/g)];
  const wrong = links.filter(([, file = "", section]) => !isThere(page, file, section));
  expect(wrong.map(([link]) => link)).toEqual([]);
});

function isThere(page: string, file: string, section: string | undefined): boolean {
  const target = file === "" ? page : path.join(path.dirname(page), file);
  if (!existsSync(path.join(repository, target))) return false;
  if (section === undefined || !target.endsWith(".md")) return true;
  const headings = [...textOf(target).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));
  return headings.includes(section);
}

/** As GitHub makes the anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}

function paragraphsOf({ language, text }: Block): readonly string[] {
  return language === undefined ? text.split(/\n{2,}/).filter((part) => part.trim() !== "") : [text];
}

/** Commands that stand in a sentence. */
function spansOf(page: string): readonly string[] {
  const prose = textOf(page).replaceAll(/^ *```.*?^ *```$/gms, "");
  const spans = [...prose.matchAll(/`((?:npm|npx|node|pulumi|aws) [^`]+)`/g)];
  return spans.map(([, span = ""]) => span.replaceAll(/\s+/g, " "));
}

function problemsOf(look: () => void, where: string): readonly string[] {
  try {
    look();
    return [];
  } catch (error) {
    return [`${(error as Error).message}\nin ${where}`];
  }
}

function isPrinted(text: string): boolean {
  return PRINTED.some(([begins]) => text.startsWith(begins)) || text.startsWith("{");
}

/** Throws when the block is none that works, and when nobody answers for it. */
function check(block: Block, text: string): void {
  switch (block.language) {
    case "mermaid":
      expect(text).toMatch(/^(?:flowchart|sequenceDiagram)/);
      return;
    case "yaml":
      checkYaml(block, text);
      return;
    case "sql":
    case "ts":
    case "ini":
    case "text":
      checkDoneBy(block.page);
      return;
    case "sh":
    case undefined:
      break;
    default:
      throw new Error(`a block of ${block.language} is checked by nothing: test/unit/docs/commands.test.ts`);
  }
  const printed = PRINTED.find(([begins]) => text.startsWith(begins));
  if (printed !== undefined) {
    expect(textOf(printed[1])).toContain(printed[2]);
  } else if (text.startsWith("{")) JSON.parse(text);
  else if (/^[\w-]+(?::[\w-]+)?:(?: |$)/m.test(text.split("\n")[0] ?? "")) checkYaml(block, text);
  else if (/^(?:select|call|alter|update) /i.test(text)) checkDoneBy(block.page);
  else for (const command of commandsOf(text)) checkCommand(block.page, command);
}

/** What this cannot judge is done by a test that names the page, or says that it does what its folder says. */
function checkDoneBy(page: string): void {
  const [folder, name] = [path.dirname(page), path.basename(page)];
  const isNamed = tests.some(
    (text) => text.includes(name) || (folder !== "." && folder !== "docs" && text.includes(`${folder}/`)),
  );
  if (!isNamed) throw new Error(`needs a server, or a run: a test that does it says so by the name ${name}`);
}

/** A stack file, some of its keys, lines of merchants, or what the runner is given; else YAML. */
function checkYaml({ page, mark }: Block, text: string): void {
  const read = parse(text) as Readonly<Record<string, unknown>>;
  const config = (mark === undefined ? read : read["config"]) as Readonly<Record<string, unknown>>;
  const isStack = Object.keys(config).some((key) => key.startsWith("merchant-jobs:"));
  if (mark !== undefined && !isStack) throw new Error("is no stack file");
  const at = (key: string) => config[`merchant-jobs:${key}`];
  if (isStack) {
    const rollout = at("rollout");
    const named = JSON.stringify(rollout ?? "").match(/\w+/g) ?? [];
    const others = named.filter((word) => word !== "waves" && word !== "rest").map((id) => [id, {}] as const);
    const merchants = at("merchants") ?? Object.fromEntries(others);
    parseStack({ cells: at("cells") ?? CELLS, merchants, jobs: at("jobs"), rollout });
  } else if (page === "docs/runner.md" && read["cells"] !== undefined) parseConfig(text, page);
  else if (/^\w+: \{/.test(text)) parseStack({ cells: CELLS, merchants: read });
}

function checkCommand(page: string, [program, ...words]: Command): void {
  for (const word of words) checkFile(word);
  if (program === "npm") checkNpm(words);
  else if (program === "npx") checkVitest(words);
  else if (program === "node") checkFile(words[0] ?? "");
  else if (program === "pulumi") checkPulumi(words);
  else if (program === "aws") checkAws(words);
  else if (OF_POSTGRESQL.includes(program)) checkDoneBy(page);
  else if (!OF_THE_SYSTEM.includes(program) && !Object.hasOwn(NOT_TRIED, program)) {
    throw new Error(`nobody answers for the command ${program}: test/docs/claims.ts`);
  }
}

/** A word that is a path into the repository names a file or folder of it. */
function checkFile(word: string): void {
  const [top = ""] = word.split("/");
  const isOurs = word.includes("/") && top !== "" && !top.startsWith(".") && existsSync(path.join(repository, top));
  if (isOurs && globSync(word, { cwd: repository }).length === 0) throw new Error(`there is no ${word}`);
}

function checkNpm([command = "", ...words]: readonly string[]): void {
  if (command === "ci") expect(words.filter((word) => word !== "--omit=dev")).toEqual([]);
  else if (command === "test" || command === "version") expect(words.length).toBe(command === "test" ? 0 : 1);
  else if (command === "run") {
    const [script = "", ...rest] = words.filter((word) => word !== "--silent");
    const line = scripts[script];
    if (line === undefined) throw new Error(`there is no script ${script} in package.json`);
    const [first, ...args] = rest;
    if (first !== undefined && first !== "--") throw new Error(`write -- before what npm run ${script} is given`);
    if (script === "pulumi") parseCommandLine(args);
    else checkFlags(line, args);
  } else throw new Error(`npm ${command} is no command that is used here`);
}

/** Each flag is an option of the script's own table for parseArgs. */
function checkFlags(line: string, args: readonly string[]): void {
  const file = line.split(" ").at(-1) ?? "";
  for (const [, flag = ""] of args.map((word) => /^--(?:no-)?([\w-]+)/.exec(word)).filter((match) => match !== null)) {
    expect(textOf(file), `${file} knows no --${flag}`).toMatch(new RegExp(`\\b${flag}"?: \\{ type:`));
  }
}

function checkVitest(words: readonly string[]): void {
  expect(words.slice(0, 2)).toEqual(["vitest", "run"]);
  const project = words[words.indexOf("--project") + 1] ?? "";
  expect(readFileSync(path.join(repository, "vitest.config.ts"), "utf8")).toContain(`name: "${project}"`);
}

function checkPulumi(words: readonly string[]): void {
  if (OF_THE_CLI.some((begins) => words.join(" ").startsWith(begins))) return;
  parseCommandLine(words);
}

/** The operation is one of the service's client, by its name. */
function checkAws([service = "", operation = ""]: readonly string[]): void {
  if (AWS_NOT_LOOKED_UP.includes(service)) return;
  const client = { rds, s3api: s3, secretsmanager }[service];
  if (client === undefined) throw new Error(`nobody answers for aws ${service}: test/docs/claims.ts`);
  const known = Object.keys(client).map((name) => name.toLowerCase());
  expect(known).toContain(`${operation.replaceAll("-", "")}command`);
}
