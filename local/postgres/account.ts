import { stat } from "node:fs/promises";
import { hasSystemCode, LocalServerError } from "./errors.ts";
import { type RunAs, runProgram } from "./programs.ts";

/**
 * The operating-system user that the server runs as: undefined is the user of this process. PostgreSQL refuses to run
 * as root, so root hands it to the owner of the data folder, or, for a new one, to the user `postgres` that the
 * Debian packages make. Throws `not_yours` when an ordinary user meets somebody else's data folder.
 */
export async function serverAccount(existingDataFolder: string | undefined): Promise<RunAs | undefined> {
  const me = process.getuid?.();
  if (existingDataFolder !== undefined) {
    const owner = await stat(existingDataFolder);
    if (owner.uid === me) return undefined;
    if (me === 0) return { uid: owner.uid, gid: owner.gid };
    throw new LocalServerError(
      "not_yours",
      `${existingDataFolder} belongs to the operating-system user ${owner.uid}, and this is user ${String(me)}: ` +
        "run this as that user or as root, or work in a clone of your own.",
    );
  }
  if (me !== 0) return undefined;
  const uid = await runProgram("id", ["-u", "postgres"]);
  const gid = await runProgram("id", ["-g", "postgres"]);
  if (uid.status === 0 && gid.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  throw new LocalServerError(
    "account_missing",
    "PostgreSQL does not run as root, and this machine has no user `postgres` to run it as. Make one with " +
      "`useradd --system --user-group postgres`, or run this as an ordinary user.",
  );
}

/** Says whether that user can go into a folder that exists: every folder above it must let the user through. */
export async function canReach(folder: string, as: RunAs | undefined): Promise<boolean> {
  return (await runProgram("test", ["-x", folder], { as })).status === 0;
}

/** Turns "permission denied" on a file of the local server into `not_yours`, and leaves every other error as it is. */
export function explainDenied(error: unknown, path: string): unknown {
  if (!hasSystemCode(error, "EACCES", "EPERM")) return error;
  return new LocalServerError(
    "not_yours",
    `${path} belongs to another operating-system user: run this as that user or as root, or work in a clone of your own.`,
    { cause: error },
  );
}
