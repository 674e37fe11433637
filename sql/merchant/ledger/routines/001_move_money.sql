create or replace function app.grant_lot(p_account text, p_expires_at timestamptz, p_amount_minor bigint) returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  v_lot_id bigint;
begin
  insert into app.lots (account, expires_at) values (p_account, p_expires_at) returning lot_id into v_lot_id;
  insert into app.ledger_entries (lot_id, kind, amount_minor) values (v_lot_id, 'grant', p_amount_minor);
  return v_lot_id;
end;
$$;

comment on function app.grant_lot(text, timestamptz, bigint) is
  'Gives an account a lot of p_amount_minor minor units that runs out at p_expires_at; returns its lot_id.';

revoke all on function app.grant_lot(text, timestamptz, bigint) from public;

create or replace function app.spend(p_lot_id bigint, p_amount_minor bigint) returns bigint
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_lot app.lots;
  v_balance bigint;
  v_entry_id bigint;
begin
  if p_amount_minor is null or p_amount_minor <= 0 then
    raise exception 'cannot spend %: an amount is a whole number of minor units above 0', p_amount_minor
      using errcode = 'MJ004';
  end if;
  -- Lock first, sum in a later statement, as the job that expires lots does: in one statement the sum would be of a
  -- snapshot taken before the lock was granted.
  select l.* into v_lot from app.lots as l where l.lot_id = p_lot_id for update;
  if not found then
    raise exception 'there is no lot %', p_lot_id using errcode = 'MJ005';
  end if;
  if v_lot.expired_at is not null or v_lot.expires_at <= pg_catalog.clock_timestamp() then
    raise exception 'lot % has expired', p_lot_id using errcode = 'MJ006';
  end if;
  select coalesce(pg_catalog.sum(e.amount_minor), 0)::bigint
  into v_balance
  from app.ledger_entries as e
  where e.lot_id = p_lot_id;
  if v_balance < p_amount_minor then
    raise exception 'lot % has % left, and % cannot be spent', p_lot_id, v_balance, p_amount_minor
      using errcode = 'MJ007';
  end if;
  insert into app.ledger_entries (lot_id, kind, amount_minor)
  values (p_lot_id, 'spend', -p_amount_minor)
  returning entry_id into v_entry_id;
  return v_entry_id;
end;
$$;

comment on function app.spend(bigint, bigint) is
  'Takes p_amount_minor minor units from a lot; returns the entry_id. Raises MJ004 for an amount that is none, MJ005 for '
  'no such lot, MJ006 when it has expired, MJ007 when less is left.';

revoke all on function app.spend(bigint, bigint) from public;
