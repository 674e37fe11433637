import { createHash, timingSafeEqual } from "node:crypto";

/** Says whether a request's Authorization header has the token, in a time that does not depend on where they differ. */
export function hasToken(header: string | undefined, token: string): boolean {
  const given = /^Bearer (.+)$/i.exec(header ?? "")?.[1] ?? "";
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
