create or replace function app.require_amount(p_amount_minor bigint) returns void
language plpgsql immutable
set search_path = ''
as $$
begin
  if p_amount_minor is null or p_amount_minor <= 0 then
    raise exception '% is no amount: it is a whole number of minor units above 0', coalesce(p_amount_minor::text, 'null')
      using errcode = 'MJ004';
  end if;
end;
$$;

comment on function app.require_amount(bigint) is 'Raises MJ004 unless it is a whole number of minor units above 0.';

revoke all on function app.require_amount(bigint) from public;
