import { randomBytes } from "node:crypto";
import { access, chown, constants, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { explainDenied } from "./account.ts";
import { hasSystemCode, LocalServerError } from "./errors.ts";

const portSchema = z.int().min(1).max(65_535);

const serverSchema = z.object({
  host: z.literal("127.0.0.1"),
  port: portSchema,
  admin: z.string().min(1),
  password: z.string().min(1),
  cronDatabase: z.string().min(1),
  /** As `server_version` gives it, without the packager's words: "15.18". */
  postgresVersion: z.string().regex(/^\d+\.\d+$/),
  /** Major and minor of the extension: "1.4"; absent where the server has none. */
  pgCronVersion: z
    .string()
    .regex(/^\d+\.\d+$/)
    .optional(),
  maxConnections: z.int().positive(),
});

const superuserSchema = z.object({ user: z.string().min(1), password: z.string().min(1) });

const clusterSchema = z.object({
  /** Chosen once: a Pulumi state names it, and a refresh uses what the state says. */
  port: portSchema,
  /** sha256 of the administrator.sql that was run last; absent until it was. */
  administratorSql: z.string().optional(),
});

/** `.local/server.json`: the address of the local server and its administrator; what a cell of kind `local` reads. */
export type ServerFile = Readonly<z.infer<typeof serverSchema>>;
/** `.local/postgres/superuser.json`: for the set-up of the server and for tests only. */
export type SuperuserFile = Readonly<z.infer<typeof superuserSchema>>;
/** `.local/postgres/cluster.json`: what must outlive a stop of the server. */
export type ClusterFile = Readonly<z.infer<typeof clusterSchema>>;

/** A JSON file of the local server, mode 0600. `read` gives undefined when it is not there and throws `file_invalid`. */
export interface StoredFile<T> {
  readonly path: (folder: string) => string;
  readonly read: (folder: string) => Promise<T | undefined>;
  readonly write: (folder: string, value: T) => Promise<void>;
}

export const serverFile = storedFile<ServerFile>(["server.json"], serverSchema);
export const superuserFile = storedFile<SuperuserFile>(["postgres", "superuser.json"], superuserSchema);
export const clusterFile = storedFile<ClusterFile>(["postgres", "cluster.json"], clusterSchema);

/**
 * Throws `not_yours` when the server of a folder belongs to another user. To that user its closed data folder would look
 * like none, and "stopped" would be a lie.
 */
export async function assertOurs(folder: string): Promise<void> {
  try {
    await access(clusterFile.path(folder), constants.R_OK);
  } catch (error) {
    if (!hasSystemCode(error, "ENOENT")) throw explainDenied(error, clusterFile.path(folder));
  }
}

/** A password of 32 characters that needs no quoting anywhere. */
export function newPassword(): string {
  return randomBytes(24).toString("base64url");
}

function storedFile<T>(names: readonly string[], schema: z.ZodType<T>): StoredFile<T> {
  const path = (folder: string): string => join(folder, ...names);
  return {
    path,
    read: async (folder) => {
      let text: string;
      try {
        text = await readFile(path(folder), "utf8");
      } catch (error) {
        if (hasSystemCode(error, "ENOENT")) return undefined;
        throw explainDenied(error, path(folder));
      }
      const parsed = schema.safeParse(parseJson(text));
      if (parsed.success) return parsed.data;
      const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "file"}: ${issue.message}`);
      throw new LocalServerError(
        "file_invalid",
        `${path(folder)} is not what \`npm run server -- start\` writes (${problems.join("; ")}): delete it and start again.`,
      );
    },
    write: async (folder, value) => {
      // Readers see the old text or the new one, never half of it; and the mode is right from the first byte.
      const next = `${path(folder)}.${process.pid}`;
      try {
        await rm(next, { force: true });
        await writeFile(next, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600, flag: "wx" });
        // Root's start must not take an ordinary user's server away from them.
        const owner = await stat(path(folder)).catch(() => undefined);
        if (process.getuid?.() === 0 && owner !== undefined) await chown(next, owner.uid, owner.gid);
        await rename(next, path(folder));
      } catch (error) {
        throw explainDenied(error, path(folder));
      }
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
