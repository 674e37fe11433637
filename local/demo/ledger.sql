-- Something for each job to do, in a ledger that is still empty.

insert into app.lots (account, expires_at)
select 'account-' || n, now() + (n - 3) * interval '1 day'
from generate_series(1, 5) as n
where not exists (select from app.lots);

insert into app.ledger_entries (lot_id, kind, amount_minor)
select l.lot_id, e.kind, e.amount_minor
from app.lots as l
cross join (values ('grant', 10000), ('spend', -2500)) as e (kind, amount_minor)
where not exists (select from app.ledger_entries);

insert into app.operations (expires_at)
select now() + n * interval '1 hour'
from generate_series(-2, 2) as n
where not exists (select from app.operations);

insert into app.idempotency_keys (key, state, created_at, finished_at)
select 'request-' || n, 'succeeded', now() - n * interval '3 days', now() - n * interval '3 days'
from generate_series(1, 4) as n
where not exists (select from app.idempotency_keys);
