import pg from "pg";
import { type Difference, differencesBetween } from "../differences.ts";
import { nameOf } from "../../local/engine/urn.ts";
import { cellOf, kindOf, type Owner, ownerOf } from "../owner.ts";
import type { SeenRun, SeenState, Step } from "../engine-events.ts";
import { SEVERITIES, type Severity, severityOf } from "./severity.ts";

/** One difference between what is declared and what was found. */
export interface Drift {
  readonly severity: Severity;
  readonly owner: Owner;
  readonly cell: string | undefined;
  /** The resource's type, such as `Crontab`. */
  readonly kind: string;
  readonly urn: string;
  readonly object: string;
  readonly property: string;
  readonly declared: string | undefined;
  readonly found: string | undefined;
  /** No read found it: the stack file says something else by now, or an earlier run saw it and did not heal it. */
  readonly pending: boolean;
  /** What a person can do where no `up` may: what was found, or a statement for a superuser. */
  readonly repair: string | undefined;
}

/** Where one could not look: neither clean nor lost. */
export interface Unseen {
  readonly cell: string | undefined;
  readonly owner: Owner;
  readonly kind: string;
  readonly urn: string;
  /** In one line. */
  readonly reason: string;
}

/** What a look at a stack gave. */
export interface DriftReport {
  readonly stack: string;
  readonly drift: readonly Drift[];
  readonly unseen: readonly Unseen[];
  /** Why the look did not come to its end, besides what could not be read. */
  readonly errors: readonly string[];
  /** How many merchants were looked at, all that the state has. */
  readonly merchants: number;
}

/** The exit status of a look: 1 could not look, 2 drift, 0 clean. That somebody could not look is said first. */
export function exitStatusOf({ drift, unseen, errors }: DriftReport): 0 | 1 | 2 {
  if (unseen.length > 0 || errors.length > 0) return 1;
  return drift.length > 0 ? 2 : 0;
}

/**
 * Sorts out what a preview with refresh saw. When the program ran, what it would change is the drift, the other way
 * round: its steps go from found to declared, and the program is what declares. When a read failed, or the program, the
 * reads are what there is: they go from the state, which is what the last `up` declared, to what was found.
 */
export function driftOf(stack: string, run: SeenRun): DriftReport {
  const unread = run.failed.filter(({ op }) => op === "refresh");
  const complete = run.succeeded === true && run.failed.length === 0;
  const drift = complete ? driftOfProgram(run) : run.reads.flatMap((step) => driftOfRead(step));
  const merchants = new Set(
    [...run.reads, ...unread]
      .map(({ urn, old }) => ownerOf(urn, old))
      .flatMap(({ kind, name }) => (kind === "merchant" ? [name] : [])),
  );
  // What a provider writes to its log on the way comes before what the engine says.
  const errorOf = (urn: string) => run.messages.findLast((said) => said.severity === "error" && said.urn === urn)?.text;
  const unseen = unread.map(({ urn, old, new: next }): Unseen => {
    const state = old ?? next;
    const reason = withoutWrapping(inOneLine(errorOf(urn) ?? "the engine gives no reason"), urn);
    return { cell: cellOf(urn, state), owner: ownerOf(urn, state), kind: kindOf(urn), urn, reason };
  });
  return { stack, drift: drift.toSorted(inOrder), unseen, errors: errorsOf(run, unread), merchants: merchants.size };
}

function driftOfProgram({ steps, reads }: SeenRun): readonly Drift[] {
  const touched = new Set(reads.filter((step) => driftOfRead(step).length > 0).map(({ urn }) => urn));
  return steps.flatMap(({ op, urn, old, new: next, changed }) =>
    op === "same" || isStack(urn) ? [] : driftBetween({ urn, declared: next, found: old, changed }, !touched.has(urn)),
  );
}

function driftOfRead({ urn, old, new: found, changed }: Step): readonly Drift[] {
  return driftBetween({ urn, declared: old, found, changed }, false);
}

interface Sides {
  readonly urn: string;
  readonly declared: SeenState | undefined;
  readonly found: SeenState | undefined;
  readonly changed: readonly string[];
}

/** The differences of one resource; one that is there on one side only is one difference. */
function driftBetween({ urn, declared, found, changed }: Sides, pending: boolean): readonly Drift[] {
  const state = declared ?? found;
  const owner = ownerOf(urn, state);
  const kind = kindOf(urn);
  const whole = (side: SeenState | undefined) => side && `${kind} ${nameOf(urn)}`;
  const differences: readonly Difference[] =
    declared && found
      ? differencesBetween(declared, found, changed)
      : declared === found
        ? []
        : [{ object: "", property: "", before: whole(declared), after: whole(found) }];
  return differences.map((difference) => ({
    severity: severityOf({ owner: owner.kind, kind, difference }),
    owner,
    cell: cellOf(urn, state),
    kind,
    urn,
    object: difference.object,
    property: difference.property,
    // What nobody declares is carried along from what was found.
    declared: difference.before === difference.after ? undefined : difference.before,
    found: difference.after,
    pending,
    repair: repairOf(kind, difference, state),
  }));
}

/** Attributes of a role that only a superuser may take away again. */
const OF_SUPERUSERS: Readonly<Record<string, string>> = {
  superuser: "nosuperuser",
  replication: "noreplication",
  bypassRowLevelSecurity: "nobypassrls",
};

/** A time with its unit among the settings of a role, which the PostgreSQL provider reads as a bare number. */
const TIME_WITH_UNIT = /\b(statement_timeout|idle_in_transaction_session_timeout)=\d+(?:us|ms|s|min|h|d)\b/g;
const OF_ROLE = "settings everywhere of role ";

/** Each finding of a probe ends with what repairs it. */
function repairOf(
  kind: string,
  { object, property, after }: Difference,
  state: SeenState | undefined,
): string | undefined {
  if (kind === "CellProbe") return after;
  if (kind === "Migrations" && object.startsWith(OF_ROLE)) return withoutUnits(object.slice(OF_ROLE.length), after);
  const word = kind === "Role" && after === "true" ? OF_SUPERUSERS[property] : undefined;
  const name = state?.inputs?.["name"];
  if (word === undefined || typeof name !== "string") return undefined;
  return `up may not take that away; a superuser can: alter role ${pg.escapeIdentifier(name)} ${word};`;
}

/** The provider's read of an owner role fails, which ends every refresh before its `up` could heal anything. */
function withoutUnits(role: string, found = ""): string | undefined {
  const settings = [...found.matchAll(TIME_WITH_UNIT)].flatMap(([, setting]) => setting ?? []);
  if (settings.length === 0 || !role.endsWith("_owner")) return undefined;
  const resets = settings.map((setting) => `alter role ${pg.escapeIdentifier(role)} reset ${setting};`);
  return `no up --refresh gets past a time with a unit, which the PostgreSQL provider cannot read: ${resets.join(" ")}`;
}

/** The worst first, then by merchant. */
function inOrder(a: Drift, b: Drift): number {
  const rank = (drift: Drift) => SEVERITIES.indexOf(drift.severity);
  const text = ({ owner, kind, object, property }: Drift) => [owner.name, kind, object, property].join("\u0000");
  return rank(a) - rank(b) || (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0);
}

/** Whether something is about the run as a whole. */
function isStack(urn: string): boolean {
  return urn === "" || urn.includes("::pulumi:pulumi:Stack::");
}

/** Errors that no failed read explains. Of a run that broke off without one, that is the error. */
function errorsOf(run: SeenRun, unread: readonly Step[]): readonly string[] {
  const explained = new Set(unread.map(({ urn }) => urn));
  const errors = run.messages
    .filter(({ severity, urn }) => severity === "error" && !explained.has(urn))
    // The CLI ends such a run with words of its own, and no reason.
    .filter(({ urn }) => unread.length === 0 || !isStack(urn))
    .map(({ urn, text }) => (isStack(urn) ? text : `${nameOf(urn)}: ${text}`));
  const silent = run.succeeded !== true && unread.length === 0 && errors.length === 0;
  return silent
    ? ["the engine's run did not come to its end, and it gives no reason"]
    : [...new Set(errors.map(inOneLine))];
}

/** What a provider that is bridged from Terraform puts around its one error; the report names the resource by itself. */
function withoutWrapping(reason: string, urn: string): string {
  const start = `refreshing ${urn}: `;
  return (reason.startsWith(start) ? reason.slice(start.length) : reason).replace(/^1 error occurred: \* /, "");
}

/** Stacks of calls are for whoever mends the program: their lines begin with `at`. */
function inOneLine(text: string): string {
  const lines = text.split("\n").filter((line) => !/^\s+at /.test(line));
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(" ");
}
