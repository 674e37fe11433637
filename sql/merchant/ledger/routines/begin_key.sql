create or replace function app.begin_key(p_key text, out begun boolean, out state text, out response jsonb)
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
begin
  if p_key is null or pg_catalog.length(p_key) not between 1 and 200 then
    raise exception '% is no idempotency key: it has 1 to 200 characters',
      coalesce(pg_catalog.quote_literal(pg_catalog.left(p_key, 200)), 'null')
      using errcode = 'MJ029';
  end if;
  loop
    -- Waits for a session that begins the same key, or deletes it as old, and has not committed.
    insert into app.idempotency_keys as k (key)
    values (p_key)
    on conflict (key) do nothing
    returning true, k.state into begun, state;
    if begun then
      return;
    end if;
    select false, k.state, k.response
    into begun, state, response
    from app.idempotency_keys as k
    where k.key = p_key;
    -- A key that was deleted between the two statements is new.
    exit when found;
  end loop;
end;
$$;

comment on function app.begin_key(text) is
  'Begins a request. begun: the caller does it, then calls app.finish_key; otherwise another has, and state and response '
  'are what became of it. Raises MJ029 for a key that is none.';

revoke all on function app.begin_key(text) from public;
