import type { JobsDatabase } from "../database.ts";
import * as catchUp from "./catch-up.ts";
import * as claim from "./claim.ts";
import * as due from "./due.ts";
import * as failures from "./failures.ts";
import * as health from "./health.ts";
import * as ledger from "./ledger.ts";
import * as quarantine from "./quarantine.ts";
import * as run from "./run.ts";

/** Throws when the engine in a fresh database does not do what the check's name says. */
export type Check = (db: JobsDatabase) => Promise<void>;

/** What the engine and the jobs of the ledger promise, each by a check. */
export const CHECKS: readonly (readonly [promise: string, check: Check])[] = [
  ["run: lots that are due are debited to 0, once", run.expiresOnceAndExactly],
  ["run: an error in the third batch keeps two batches and the row, and is raised", run.errorInTheThirdBatch],
  ["run: progress is visible while a run is under way", run.progressIsVisible],
  ["run: start and end of a run are times of the clock", run.timesAreOfTheClock],
  ["run: a run out of time stops between two batches, says so, and the next one goes on", run.timeLimitEndsARun],
  ["run: a batch function whose cursor does not move fails its run", run.cursorMustMove],
  ["run: a batch function gets the settings of its job", run.settingsReachTheBatch],
  ["run: an unknown job is refused", run.unknownJobIsRefused],
  ["claim: a second caller is skipped", claim.secondCallerIsSkipped],
  ["claim: of two callers at once one runs at a time", (db) => claim.callersAtOnce(db, 2)],
  ["claim: of ten callers at once one runs at a time", (db) => claim.callersAtOnce(db, 10)],
  ["claim: a caller waits for one that is claiming", claim.callerWaitsForAClaim],
  ["claim: there are never two running rows of a job", claim.neverTwoRunningRows],
  ["claim: a cancelled session that is left open holds nobody up", claim.idleSessionIsNoClaim],
  ["claim: a session that is busy with another statement holds nobody up", claim.otherStatementIsNoClaim],
  ["claim: a session whose state is hidden counts as alive", claim.hiddenSessionIsAlive],
  ["claim: a pid that a process of the server's own has now holds nobody up", claim.serverProcessIsNoClaim],
  ["claim: what pg_stat_activity showed before does not count", claim.rememberedActivityIsForgotten],
  ["claim: a terminated run becomes abandoned, and the very next one goes", claim.terminatedRunIsAbandoned],
  ["claim: nobody goes on with a run but the statement that began it", claim.onlyItsStatementGoesOn],
  ["claim: a run that was taken for dead does nothing more", claim.abandonedRunStops],
  ["failure: after a cancel the very next run goes", failures.cancelledRunFails],
  ["failure: after statement_timeout the very next run goes", failures.statementTimeoutFailsTheRun],
  ["failure: after lock_timeout the very next run goes", failures.lockTimeoutFailsTheRun],
  ["failure: after a serialization failure the very next run goes", failures.serializationFailureFailsTheRun],
  [
    "failure: after errors of the moment, a full disk among them, that a trigger raises the very next run goes",
    failures.errorsOfTheMomentFailTheRun,
  ],
  ["failure: a claim that fails leaves its row, and the very next run goes", failures.claimThatFailsLeavesARow],
  ["failure: a table that is locked, so that there can be no row, is raised", failures.lockedTableIsRaised],
  ["failure: a cancel while a failed claim is recorded is raised as one", failures.cancelWhileRecordingIsRaised],
  ["quarantine: a poison lot stops no other", quarantine.poisonStopsNoOther],
  ["quarantine: an item that is healed is done, after all others", quarantine.healedItemIsDoneLast],
  ["quarantine: an item that is no longer due leaves", quarantine.itemNoLongerDueLeaves],
  [
    "quarantine: a constraint, also one that waits for COMMIT, is an error of its item",
    quarantine.constraintIsAnErrorOfTheItem,
  ],
  ["quarantine: many items are tried in batches", quarantine.quarantineIsTriedInBatches],
  ["due time: one in the future is refused", due.futureDueIsRefused],
  ["due time: a complete success closes it", due.completeSuccessClosesIt],
  ["due time: a run that was out of time leaves it open", due.outOfTimeLeavesItOpen],
  ["due time: beside an older run there is one skipped row for it", due.oneSkippedRowForADueTime],
  ["due time: failures space the calls for it", due.failuresSpaceTheCalls],
  ["due time: thousands of failures wait an hour", due.manyFailuresWaitAnHour],
  ["due time: runs whose session died space the calls", due.abandonedRunsSpaceTheCalls],
  ["due time: a runner comes for what is due here, whichever time it names", due.runnerComesForWhatIsDue],
  ["due time: pg_cron runs a job once for each", due.schedulerRunsOncePerDueTime],
  ["due time: a job is overdue until a complete success", catchUp.overdueUntilACompleteSuccess],
  ["due time: a stop of the server over it is caught up", catchUp.stopOverTheDueTimeIsCaughtUp],
  ["due time: catch-up runs all overdue jobs, also after one failed, and raises once", catchUp.catchUpRunsThemAll],
  ["due time: catch-up runs first what moves money, also what became due meanwhile", catchUp.catchUpRunsMoneyFirst],
  ["due time: catch-up goes on after a run of it was ended by somebody", catchUp.catchUpGoesOnAfterALostRun],
  [
    "due time: a time zone that the server does not know stops no other job, and shows",
    catchUp.unknownZoneStopsNoOther,
  ],
  ["due time: a runner that has not heard of a pause is held back", due.runnerIsHeldBackByAPause],
  ["due time: a clock that was set back keeps no job from running", catchUp.clockSetBackStopsNothing],
  ["due time: a cancelled catch-up stops", catchUp.cancelledCatchUpStops],
  ["health: a run that ends while it is looked at was not abandoned", health.runThatEndsMeanwhileIsNotAbandoned],
  ["health: after the clock was set back what is ahead is not the newest", health.clockSetBackHidesWhatIsAhead],
  ["health: of an error it has the beginning", health.healthHasAnErrorsBeginning],
  ["ledger: spends never overdraw a lot", ledger.spendsNeverOverdraw],
  ["ledger: what an operation held is released once", ledger.heldMoneyIsReleasedOnce],
  ["ledger: nothing expires early", ledger.nothingExpiresEarly],
  ["ledger: a late credit goes with the next run", ledger.lateCreditExpires],
];
