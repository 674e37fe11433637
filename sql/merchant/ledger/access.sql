-- What the application may do in the reference ledger. It goes with the folder: replace both.

do $$
declare
  v_app text := pg_catalog.current_setting('merchant_jobs.app_role');
begin
  execute pg_catalog.format(
    'grant select on app.lots, app.operations, app.ledger_entries, app.idempotency_keys, app.stuck_idempotency_keys to %I',
    v_app
  );
  -- Everything is written by functions only: they lock what they look at, in the order of the jobs, and the time of an
  -- effect is the server's. None of the tables, and no function that these are made of.
  execute pg_catalog.format('grant execute on function app.grant_lot(text, timestamptz, bigint) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.credit_lot(bigint, bigint) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.spend(bigint, bigint) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.refund(bigint, bigint) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.open_operation(timestamptz, bigint, bigint) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.complete_operation(bigint) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.cancel_operation(bigint) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.begin_key(text) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.finish_key(text, text, jsonb) to %I', v_app);
end;
$$;
