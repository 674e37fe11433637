import * as quarantine from "../checks/quarantine.ts";
import type { Mutation } from "./mutation.ts";

const RUN_BATCH = "engine/routines/run_batch.sql";
const DO_ITEMS = "engine/routines/do_items.sql";

/** What becomes of an item that cannot be done. */
export const quarantineMutations: readonly Mutation[] = [
  {
    name: "no cursor",
    file: RUN_BATCH,
    from: "next_cursor = v_page.next_cursor,",
    to: "next_cursor = null,",
    check: quarantine.quarantineIsTriedInBatches,
    fails:
      'expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 0, quarantined: 5, batches: 3 });',
  },
  {
    name: "no quarantine",
    file: DO_ITEMS,
    from: "      return;\n    exception when data_exception or integrity_constraint_violation or raise_exception then",
    to: "      return;\n    exception when division_by_zero then",
    check: quarantine.poisonStopsNoOther,
    fails: "P0001 await db.rows(EXPIRE_LOTS);",
  },
  {
    name: "a constraint waits for COMMIT",
    file: "engine/routines/call_batch.sql",
    from: "set constraints all immediate;",
    to: "",
    check: quarantine.constraintIsAnErrorOfTheItem,
    fails: "23514 await db.rows(EXPIRE_LOTS);",
  },
  {
    name: "what is in quarantine is not passed over",
    file: RUN_BATCH,
    from: "select from app.job_quarantine as q where q.job_id = v_run.job_id and q.item = i.item",
    to: "select from app.job_quarantine as q where false",
    check: quarantine.healedItemIsDoneLast,
    fails: "expect(order).toEqual([{ lot_id: lots[0] }]);",
  },
  {
    name: "what is in quarantine is never tried again",
    file: RUN_BATCH,
    from: "select from app.job_quarantine as q where q.job_id = v_run.job_id and q.last_run_id <> p_run_id",
    to: "select from app.job_quarantine as q where false",
    check: quarantine.healedItemIsDoneLast,
    fails: 'expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 3, quarantined: 0 });',
  },
  {
    name: "what is in quarantine is tried again and again",
    file: RUN_BATCH,
    from: "select from app.job_quarantine as q where q.job_id = v_run.job_id and q.last_run_id <> p_run_id",
    to: "select from app.job_quarantine as q where q.job_id = v_run.job_id",
    check: quarantine.poisonStopsNoOther,
    fails:
      'expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 8, quarantined: 2, more: false });',
  },
  {
    name: "what goes well stays in quarantine",
    file: DO_ITEMS,
    from: "delete from app.job_quarantine where job_id = p_job.job_id and item = v_item;",
    to: "",
    check: quarantine.itemNoLongerDueLeaves,
    fails: "expect(await quarantine(db)).toEqual([]);",
  },
];
