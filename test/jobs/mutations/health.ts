import * as health from "../checks/health.ts";
import type { Mutation } from "./mutation.ts";

const HEALTH = "engine/routines/view_job_health.sql";

/** How the jobs are. */
export const healthMutations: readonly Mutation[] = [
  {
    name: "what began after the clock was set back is the last success",
    file: HEALTH,
    from: "    and not r.more\n    -- What began later than now was before the clock was set back.\n    and r.started_at <= pg_catalog.clock_timestamp()\n",
    to: "    and not r.more\n",
    check: health.clockSetBackHidesWhatIsAhead,
    fails: 'expect(await health()).toEqual([{ before: true, last_status: "succeeded", behind: false }]);',
  },
  {
    name: "a whole error",
    file: HEALTH,
    from: "pg_catalog.left(last.error, 500)",
    to: "last.error",
    check: health.healthHasAnErrorsBeginning,
    fails:
      "expect(await db.rows(\"select length(last_error) as it from app.job_health where job = 'lot_expiry'\")).toEqual([",
  },
];
