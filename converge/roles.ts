import pg from "pg";
import type { Session } from "./session.ts";

/** Quotes an identifier. The only way in which a name gets into a statement of ours. */
export const quoteName = pg.escapeIdentifier;

/** Acts with a role's rights until the transaction ends or this is called again; undefined is the administrator itself. */
export async function actAs(session: Session, role: string | undefined): Promise<void> {
  await session.query(role === undefined ? "reset role" : `set local role ${quoteName(role)}`);
}
