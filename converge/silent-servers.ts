import pg from "pg";
import type { ServerAddress } from "./address.ts";

/** Milliseconds for which a server that did not answer is not asked again: hundreds of merchants wait for the same one. */
const SILENT = 30_000;

/** Servers that did not answer in time, and until when that counts. */
const silent = new Map<string, { readonly error: unknown; readonly until: number }>();

/**
 * Opens a connection, but none to a server that has just let somebody wait for most of `timeout` milliseconds: then it fails as
 * that one did. One after the other would wait for longer than a nightly look may take.
 */
export async function unlessSilent<T>(
  { host, port }: Pick<ServerAddress, "host" | "port">,
  timeout: number,
  open: () => Promise<T>,
): Promise<T> {
  const server = `${host}:${port}`;
  const known = silent.get(server);
  const began = performance.now();
  if (known !== undefined && began < known.until) throw known.error;
  try {
    return await open();
  } catch (error) {
    // A server that answers, and be it by refusing, is asked again.
    if (!(error instanceof pg.DatabaseError) && performance.now() - began >= timeout / 2)
      silent.set(server, { error, until: performance.now() + SILENT });
    throw error;
  }
}
