import { expect, test } from "vitest";
import { existing, planForget, rosterEntry } from "../../../local/recover/forget.ts";
import { acme, cell, creating, database, empty, resources, role, state, urns } from "./facts.ts";

test("a forgotten merchant leaves the roster, the resources and the pending operations", () => {
  const before = state(Object.values(resources), [creating(resources.database), creating(resources.foreign)]);
  const after = planForget(before, "acme");
  expect(after.pending).toEqual([creating(resources.foreign)]);
  const roster = after.resources.find(({ urn }) => urn === urns.roster);
  expect(roster).toMatchObject({ inputs: { merchants: {}, requires: {} }, outputs: { merchants: {}, requires: {} } });
  const rest = [urns.stack, urns.roster, urns.provider, urns.probe, resources.foreign.urn];
  expect(after.resources.map(({ urn }) => urn)).toEqual(rest);
});

test("another merchant stays, also one whose id begins in the same way", () => {
  const before = state(Object.values(resources));
  expect(planForget(before, "acm").resources).toEqual(before.resources);
});

test("a merchant that the roster does not have is an error that names the nearest", () => {
  expect(() => rosterEntry(state([]), "acmee")).toThrow(
    "the roster of the state has no merchant acmee; did you mean acme?",
  );
  expect(() => rosterEntry(state([]), "constructor")).toThrow("has no merchant constructor");
  expect(rosterEntry(state([]), "acme")).toEqual(acme);
});

test("everything of a merchant that exists is named", () => {
  const found = cell([role("merchant_acme_owner"), role("merchant_acme_job")], [database(empty)]);
  expect(existing(acme, found, ["cron job #3 (acme:lot_expiry)"])).toEqual([
    "database merchant_acme",
    "role merchant_acme_owner",
    "role merchant_acme_job",
    "cron job #3 (acme:lot_expiry)",
  ]);
  expect(existing(acme, cell([]), [])).toEqual([]);
});
