-- What the application may do in the reference ledger. It goes with the folder: replace both.

do $$
declare
  v_app text := pg_catalog.current_setting('merchant_jobs.app_role');
begin
  execute pg_catalog.format(
    'grant select on app.lots, app.operations, app.ledger_entries, app.idempotency_keys to %I', v_app
  );
  -- Money moves by functions only: they lock the lot and look at its balance, which the application cannot do itself.
  execute pg_catalog.format('grant execute on function app.grant_lot(text, timestamptz, bigint) to %I', v_app);
  execute pg_catalog.format('grant execute on function app.spend(bigint, bigint) to %I', v_app);
  -- An operation of the application's own holds no money.
  execute pg_catalog.format('grant insert (expires_at), update (state, closed_at) on app.operations to %I', v_app);
  execute pg_catalog.format('grant insert, update (state, response, finished_at) on app.idempotency_keys to %I', v_app);
end;
$$;
