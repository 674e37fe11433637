create or replace function app.require_term(p_expires_at timestamptz) returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  if p_expires_at is null or p_expires_at <= pg_catalog.clock_timestamp() then
    raise exception '% is no time to expire at: it is in the future', coalesce(p_expires_at::text, 'null')
      using errcode = 'MJ021', hint = 'What never expires has the time infinity.';
  end if;
end;
$$;

comment on function app.require_term(timestamptz) is 'Raises MJ021 unless it is a time after now.';

revoke all on function app.require_term(timestamptz) from public;
