import type { DriftKind } from "./kinds.ts";
import { relationKinds } from "./relation-kinds.ts";
import { rightKinds } from "./right-kinds.ts";

/** Something done to objects that sql/objects/ describes: each with how it was => how it is, as the preview says it. */
export type ObjectDrift = readonly [kind: string, at: string, by: string, objects: Readonly<Record<string, string>>];

/** A kind that a merchant's Migrations shows, done in its own database. */
export interface ObjectKind extends DriftKind {
  readonly objects: Readonly<Record<string, string>>;
}

/** Gives it the form of a kind. */
function objectKind([kind, at, by, objects]: ObjectDrift): ObjectKind {
  const shows = Object.entries(objects).map(([object, found]) => `+ ${object}: ${JSON.stringify(found)}`);
  return { kind, at, in: "own", by, resource: "migrations", shows, objects };
}

const edit = (routine: string, from: string, to: string) =>
  `do $x$ begin execute replace(pg_get_functiondef('${routine}'::regprocedure), ${from}, ${to}); end $x$`;

const routines: readonly ObjectDrift[] = [
  [
    "a routine's body edited by a space",
    "grove",
    edit("app.fail_run(bigint,text,text)", "e'begin\\n'", "e'begin \\n'"),
    { "routine app.fail_run(bigint,text,text)": "'begin' => 'begin '" },
  ],
  [
    "a routine's body edited",
    "hazel",
    edit("app.require_amount(bigint)", "'<= 0'", "'< 0'"),
    {
      "routine app.require_amount(bigint)":
        "if p_amount_minor is null or p_amount_minor <= 0 then => if p_amount_minor is null or p_amount_minor < 0 then",
    },
  ],
  ["a routine dropped", "hazel", "drop procedure app.expire_lots()", { "routine app.expire_lots()": "gone" }],
  [
    "an overload of a routine added",
    "iris",
    "create function app.spend(text) returns int language sql as 'select 1'",
    { "routine app.spend(text)": "nothing => CREATE OR REPLACE FUNCTION app.spend(text)" },
  ],
  [
    "SECURITY DEFINER taken from a routine",
    "grove",
    "alter function app.begin_run(text, timestamptz) security invoker",
    { "routine app.begin_run(text,timestamp with time zone)": "SECURITY DEFINER => nothing" },
  ],
  [
    "a routine's SET clause changed",
    "hazel",
    "alter function app.run_batch(bigint) set lock_timeout = '1h'",
    { "routine app.run_batch(bigint)": "SET lock_timeout TO '5s' => SET lock_timeout TO '1h'" },
  ],
  [
    "EXECUTE on a routine given to PUBLIC",
    "iris",
    "grant execute on function app.attempt_run(text, timestamptz) to public",
    {
      "routine app.attempt_run(text,timestamp with time zone)": "grants: …$job:EXECUTE…=> grants: …public:EXECUTE",
    },
  ],
  [
    "a routine's comment changed",
    "iris",
    "comment on procedure app.expire_lots() is 'mine'",
    { "routine app.expire_lots()": "comment: The job lot_expiry. => comment: mine" },
  ],
  [
    "a routine's owner changed",
    "juniper",
    "alter function app.spend(bigint, bigint) owner to platform_admin",
    { "routine app.spend(bigint,bigint)": "owner: $owner => owner: platform_admin" },
  ],
  [
    "the body of a function that a migration made edited",
    "juniper",
    "create or replace function app.refuse_ledger_change() returns trigger language plpgsql as 'begin return null; end'",
    { "routine app.refuse_ledger_change()": "SET search_path TO '' => AS $function$begin return null; end$function$" },
  ],
  [
    "the comment of a function that a migration made changed",
    "grove",
    "comment on function app.refuse_ledger_change() is null",
    { "routine app.refuse_ledger_change()": "comment: Keeps app.ledger_entries append-only. => nothing" },
  ],
];

export const objectKinds: readonly ObjectKind[] = [...routines, ...rightKinds, ...relationKinds].map(objectKind);
