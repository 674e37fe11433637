import { expect, test } from "vitest";
import { jobOfCommand } from "../../../converge/adoption-jobs.ts";

test.for([
  ["VACUUM app.lots", undefined],
  ["SELECT app.expire_lots(); DELETE FROM app.lots", undefined],
  ["SELECT app.expire_lots(), app.cleanup_idempotency()", undefined],
  ["SELECT app.expire_lots(5)", undefined],
  ["SELECT public.expire_lots()", undefined],
  ["SELECT app.something()", undefined],
  ["SELECT app.expire_lots()", "lot_expiry"],
  ["call App.Expire_Lots ( ) ;", "lot_expiry"],
  ["select * from app.cleanup_idempotency()", "idempotency_cleanup"],
  ["SET statement_timeout = '60s'; set lock_timeout to '1s'; SELECT app.cleanup_expired_operations();", "ops_cleanup"],
  ["CALL app.run_overdue()", "catch_up"],
] as const)("%s is the job %s", ([command, job]) => {
  expect(jobOfCommand(command)).toBe(job);
});
