import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { RecoverError } from "./errors.ts";

/**
 * Puts the copy beside a torn state file in its place; the torn one stays as `<name>.torn`. Gives what it says; nothing
 * when the file is whole. Throws `state` when the copy is missing or torn too.
 */
export function repairState(file: string): readonly string[] {
  if (!existsSync(file) || isWhole(file)) return [];
  const copy = `${file}.bak`;
  if (!isWhole(copy)) {
    throw new RecoverError(
      "state",
      `the state ${file} is torn, and ${existsSync(copy) ? "so is the copy beside it" : "there is no copy beside it"}: ` +
        "bring back a backup of it (or, with the Pulumi CLI, one of the folder .pulumi/history), then run recover again",
    );
  }
  renameSync(file, `${file}.torn`);
  // The copy stays where it is, until the next write of the state makes a new one.
  copyFileSync(copy, file);
  const name = path.basename(file);
  return [
    `put ${name}.bak in the place of the torn ${name}, which is now ${name}.torn; the copy may be one write older: ` +
      "what it does not know is looked for on the server",
  ];
}

/** Removes state files that a killed run had begun to write, and gives what it says of each. No run may be alive. */
export function removeHalfWritten(file: string): readonly string[] {
  const folder = path.dirname(file);
  if (!existsSync(folder)) return [];
  const base = path.basename(file);
  const begun = readdirSync(folder).filter(
    (name) => name.startsWith(`${base}.`) && /^\d+\.new$/.test(name.slice(base.length + 1)),
  );
  for (const name of begun) rmSync(path.join(folder, name), { force: true });
  return begun.map((name) => `removed ${name}, a state that was not written to its end`);
}

function isWhole(file: string): boolean {
  try {
    JSON.parse(readFileSync(file, "utf8"));
    return true;
  } catch {
    return false;
  }
}
