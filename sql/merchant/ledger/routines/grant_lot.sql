create or replace function app.grant_lot(p_account text, p_expires_at timestamptz, p_amount_minor bigint) returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  v_lot_id bigint;
begin
  if p_account is null or pg_catalog.length(p_account) not between 1 and 200 then
    raise exception '% is no account: it has 1 to 200 characters', coalesce(pg_catalog.quote_literal(p_account), 'null')
      using errcode = 'MJ020';
  end if;
  perform app.require_term(p_expires_at);
  perform app.require_amount(p_amount_minor);
  insert into app.lots (account, expires_at) values (p_account, p_expires_at) returning lot_id into v_lot_id;
  insert into app.ledger_entries (lot_id, kind, amount_minor) values (v_lot_id, 'grant', p_amount_minor);
  return v_lot_id;
end;
$$;

comment on function app.grant_lot(text, timestamptz, bigint) is
  'Gives an account a lot of p_amount_minor minor units that runs out at p_expires_at; returns its lot_id. Raises MJ004 for '
  'an amount that is none, MJ020 for an account that is none, MJ021 for a time that is not in the future.';

revoke all on function app.grant_lot(text, timestamptz, bigint) from public;
