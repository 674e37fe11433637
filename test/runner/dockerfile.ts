import { readFileSync } from "node:fs";
import path from "node:path";

const repository = path.join(import.meta.dirname, "..", "..");

/** An instruction of a Dockerfile: its name, the words after its flags, and these (`--from=packages`). */
export interface Instruction {
  readonly name: string;
  readonly flags: Readonly<Record<string, string>>;
  readonly rest: string;
}

/** The stages of runner/Dockerfile, each with its FROM first. */
export function readDockerfile(): readonly (readonly Instruction[])[] {
  const text = readFileSync(path.join(repository, "runner", "Dockerfile"), "utf8");
  const lines = text
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "");
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, name = "", after = ""] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? [];
    const words = /^((?:--\S+\s+)*)(.*)$/.exec(after);
    const flags = [...(words?.[1] ?? "").matchAll(/--([^=\s]+)=(\S+)/g)].map(([, key = "", value = ""]) => [
      key,
      value,
    ]);
    const instruction = { name, flags: Object.fromEntries(flags) as Record<string, string>, rest: words?.[2] ?? "" };
    if (name === "FROM") stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages;
}

/** The one instruction of this name. */
export function instruction(stage: readonly Instruction[] | undefined, name: string): Instruction {
  const found = stage?.filter((one) => one.name === name) ?? [];
  if (found[0] === undefined || found.length > 1)
    throw new Error(`there is not one ${name}, but ${String(found.length)}`);
  return found[0];
}

/** The words of an instruction in JSON form: `["node", "runner/main.ts"]`. */
export function wordsOf({ rest }: Pick<Instruction, "rest">): readonly [string, ...string[]] {
  return JSON.parse(rest.replace(/^CMD\s+/, "")) as [string, ...string[]];
}

/** What a stage copies from the repository, and where to. */
export function copiesOf(stage: readonly Instruction[]): readonly { readonly from: string; readonly to: string }[] {
  return stage
    .filter(({ name, flags }) => name === "COPY" && flags["from"] === undefined)
    .flatMap(({ rest }) => {
      const words = rest.split(/\s+/);
      const to = words.at(-1) ?? "";
      return words.slice(0, -1).map((from) => ({ from, to: to.endsWith("/") ? path.join(to, from) : to }));
    });
}
