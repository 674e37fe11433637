import { ConvergeError, codeOf, messageOf } from "./errors.ts";
import type { Session } from "./session.ts";
import type { SqlFile } from "./sql-files.ts";

/**
 * Runs a whole SQL file. Throws `statement_failed`, which says file, line and column, shows the line with a caret under
 * the place, and keeps the server's error as `cause`.
 */
export async function runFile(session: Session, file: SqlFile): Promise<void> {
  const before = await whereAmI(session);
  try {
    await session.query(file.text);
  } catch (error) {
    throw new ConvergeError("statement_failed", describeFailure(file, error), { cause: error });
  }
  if ((await whereAmI(session)) === before) return;
  throw new ConvergeError(
    "bad_files",
    `${file.name}: the file ends the transaction that it runs in (COMMIT, ROLLBACK) or changes the role, so what it made ` +
      "may have stayed, owned by another role: look at the database, and take these statements out of the file",
  );
}

/** The transaction and the role: a file must leave both as they were. */
async function whereAmI(session: Session): Promise<string> {
  const found = await session.query<{ place: string }>(
    "select pg_catalog.format('%s %s', pg_catalog.pg_current_xact_id(), current_user) as place",
  );
  return found.rows[0]?.place ?? "";
}

/** What a person needs to find the failed statement. */
export function describeFailure(file: Pick<SqlFile, "name" | "text">, error: unknown): string {
  const { position, detail, hint, where } = detailsOf(error);
  const sqlstate = codeOf(error);
  const place = position === undefined ? undefined : placeOf(file.text, position);
  return [
    `${file.name}${place ? `:${place.line}:${place.column}` : ""}: ${messageOf(error)}${sqlstate ? ` (${sqlstate})` : ""}`,
    ...(place
      ? [`  ${place.line} | ${place.text}`, `  ${" ".repeat(String(place.line).length)} | ${place.indent}^`]
      : []),
    ...(detail ? [`  detail: ${detail}`] : []),
    ...(hint ? [`  hint: ${hint}`] : []),
    ...(where && !place ? [`  where: ${where}`] : []),
  ].join("\n");
}

/** `position` counts characters from 1, not UTF-16 units (protocol field "P"). */
function placeOf(text: string, position: number) {
  const before = Array.from(text)
    .slice(0, position - 1)
    .join("");
  const line = before.split("\n").length;
  const start = before.lastIndexOf("\n") + 1;
  const shown = text.slice(start).split("\n", 1)[0] ?? "";
  const lead = before.slice(start);
  return { line, column: Array.from(lead).length + 1, text: shown, indent: lead.replace(/[^\t]/gu, " ") };
}

function detailsOf(error: unknown) {
  const read = (key: string): string | undefined => {
    if (typeof error !== "object" || error === null) return undefined;
    const value: unknown = (error as Readonly<Record<string, unknown>>)[key];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const position = read("position");
  return {
    position: position === undefined ? undefined : Number(position),
    detail: read("detail"),
    hint: read("hint"),
    where: read("where"),
  };
}
