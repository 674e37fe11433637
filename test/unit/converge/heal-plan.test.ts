import { expect, test } from "vitest";
import { rightsBack } from "../../../converge/heal-plan.ts";

const described = (definition: string) => ({ definition, parent: null, restore: null, remove: null });
const back = (object: string, declared: string, found: string | undefined) =>
  rightsBack({
    object,
    declared: described(declared),
    found: found === undefined ? undefined : described(found),
  });

test("rights that are gone are given back, by one statement for each role, and nothing else is said", () => {
  const owner = (rights: string) => rights.split(" ").map((right) => `merchant_a_owner:${right}`);
  const all = `grants: merchant_a_app:SELECT ${owner("DELETE INSERT SELECT UPDATE").join(" ")}`;
  const left = `grants: merchant_a_app:SELECT merchant_a_app:TRUNCATE ${owner("DELETE SELECT").join(" ")}`;
  const statement = 'grant insert, update on table app.lots to "merchant_a_owner";';
  expect(back("rights on table app.lots", all, left)).toBe(statement);
  // Where all are gone, the server has no line of them.
  expect(back("rights on table app.lots", "grants: public:SELECT a:SELECT", "")).toBe(
    'grant select on table app.lots to public; grant select on table app.lots to "a";',
  );
  expect(back("rights on table app.lots", all, all)).toBeUndefined();
  expect(back("column app.lots.account", "text", "varchar")).toBeUndefined();
});
