import { test } from "vitest";
import * as claim from "../../jobs/checks/claim.ts";
import * as due from "../../jobs/checks/due.ts";
import * as failures from "../../jobs/checks/failures.ts";
import * as quarantine from "../../jobs/checks/quarantine.ts";
import * as run from "../../jobs/checks/run.ts";
import { useCopies } from "../../jobs/copies.ts";

const { withCopy } = useCopies("jobs");

test.for([
  ["lots that are due are debited to 0, once", run.expiresOnceAndExactly],
  ["an error in the third batch keeps two batches and the row, and is raised", run.errorInTheThirdBatch],
  ["progress is visible while a run is under way", run.progressIsVisible],
  ["start and end of a run are times of the clock", run.timesAreOfTheClock],
  ["a run out of time stops between two batches, says so, and the next one goes on", run.timeLimitEndsARun],
  ["a batch function whose cursor does not move fails its run", run.cursorMustMove],
  ["a batch function gets the settings of its job", run.settingsReachTheBatch],
  ["an unknown job is refused", run.unknownJobIsRefused],
] as const)("run: %s", async ([, check]) => {
  await withCopy(check);
});

test.for([
  ["a second caller is skipped", claim.secondCallerIsSkipped],
  ["of two callers at once one runs at a time", (db) => claim.callersAtOnce(db, 2)],
  ["of ten callers at once one runs at a time", (db) => claim.callersAtOnce(db, 10)],
  ["a caller waits for one that is claiming", claim.callerWaitsForAClaim],
  ["there are never two running rows of a job", claim.neverTwoRunningRows],
  ["a cancelled session that is left open holds nobody up", claim.idleSessionIsNoClaim],
  ["a session that is busy with another statement holds nobody up", claim.otherStatementIsNoClaim],
  ["a session whose state is hidden counts as alive", claim.hiddenSessionIsAlive],
  ["a pid that a process of the server's own has now holds nobody up", claim.serverProcessIsNoClaim],
  ["what pg_stat_activity showed before does not count", claim.rememberedActivityIsForgotten],
  ["a terminated run becomes abandoned, and the very next one goes", claim.terminatedRunIsAbandoned],
  ["nobody goes on with a run but the statement that began it", claim.onlyItsStatementGoesOn],
  ["a run that was taken for dead does nothing more", claim.abandonedRunStops],
] as const satisfies readonly (readonly [string, Parameters<typeof withCopy>[0]])[])("claim: %s", async ([, check]) => {
  await withCopy(check);
});

test.for([
  ["a cancel", failures.cancelledRunFails],
  ["statement_timeout", failures.statementTimeoutFailsTheRun],
  ["lock_timeout", failures.lockTimeoutFailsTheRun],
  ["a serialization failure", failures.serializationFailureFailsTheRun],
  ["errors of the moment, a full disk among them, that a trigger raises", failures.errorsOfTheMomentFailTheRun],
  ["a claim that fails", failures.claimThatFailsIsRaised],
] as const)("failure: after %s the very next run goes", async ([, check]) => {
  await withCopy(check);
});

test.for([
  ["a poison lot stops no other", quarantine.poisonStopsNoOther],
  ["an item that is healed is done, after all others", quarantine.healedItemIsDoneLast],
  ["an item that is no longer due leaves", quarantine.itemNoLongerDueLeaves],
  ["a constraint, also one that waits for COMMIT, is an error of its item", quarantine.constraintIsAnErrorOfTheItem],
  ["many items are tried in batches", quarantine.quarantineIsTriedInBatches],
] as const)("quarantine: %s", async ([, check]) => {
  await withCopy(check);
});

test.for([
  ["one in the future is refused", due.futureDueIsRefused],
  ["a complete success closes it", due.completeSuccessClosesIt],
  ["a run that was out of time leaves it open", due.outOfTimeLeavesItOpen],
  ["beside an older run there is one skipped row for it", due.oneSkippedRowForADueTime],
  ["failures space the calls for it", due.failuresSpaceTheCalls],
  ["thousands of failures wait an hour", due.manyFailuresWaitAnHour],
  ["pg_cron runs a job once for each", due.schedulerRunsOncePerDueTime],
  ["a job is overdue until a complete success", due.overdueUntilACompleteSuccess],
  ["catch-up runs all overdue jobs, also after one failed, and raises once", due.catchUpRunsThemAll],
  ["a cancelled catch-up stops", due.cancelledCatchUpStops],
] as const)("due time: %s", async ([, check]) => {
  await withCopy(check);
});
