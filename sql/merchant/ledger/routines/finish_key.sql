create or replace function app.finish_key(p_key text, p_state text, p_response jsonb) returns void
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
begin
  if p_state is null or p_state not in ('succeeded', 'failed') then
    raise exception '% is no way to finish: succeeded or failed', coalesce(pg_catalog.quote_literal(p_state), 'null')
      using errcode = 'MJ030';
  end if;
  update app.idempotency_keys
  set state = p_state,
    response = p_response,
    finished_at = pg_catalog.clock_timestamp()
  where key = p_key
    and state = 'in_progress';
  if not found then
    raise exception 'no request with key % is in progress',
      coalesce(pg_catalog.quote_literal(pg_catalog.left(p_key, 200)), 'null')
      using errcode = 'MJ031';
  end if;
end;
$$;

comment on function app.finish_key(text, text, jsonb) is
  'Ends a request as succeeded or failed, for good. Raises MJ030 for another state, MJ031 when no request with that key is '
  'in progress.';

revoke all on function app.finish_key(text, text, jsonb) from public;
