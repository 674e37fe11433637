create or replace function app.last_due_of(p_due_schedule jsonb, p_timezone text, p_now timestamptz) returns timestamptz
language plpgsql stable strict
set search_path = ''
as $$
declare
  v_local timestamp;
  v_minutes integer[];
  v_hours integer[];
  v_doms integer[];
  v_months integer[];
  v_dows integer[];
  v_last_day boolean;
  v_either boolean;
  v_day date;
  v_oldest date;
  v_fits_dom boolean;
  v_fits_dow boolean;
  v_hour integer;
  v_minute integer;
  v_due timestamp;
  v_instant timestamptz;
  v_before timestamptz;
  v_first timestamptz;
begin
  -- Seconds have no grid: the run before decides when the next one is due.
  if p_due_schedule ? 'every' then
    return p_now - pg_catalog.make_interval(secs => (p_due_schedule ->> 'every')::double precision);
  end if;

  v_minutes := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'minutes') as e (v));
  v_hours := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'hours') as e (v));
  v_doms := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'daysOfMonth') as e (v));
  v_months := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'months') as e (v));
  v_dows := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'daysOfWeek') as e (v));
  v_last_day := (p_due_schedule -> 'lastDayOfMonth')::boolean;
  -- Two fields that both name days: one of them is enough. A star makes both necessary (ShouldRunTask in pg_cron.c).
  v_either := not ((p_due_schedule -> 'domStar')::boolean or (p_due_schedule -> 'dowStar')::boolean);

  v_local := p_now at time zone p_timezone;
  -- Where clocks go back over midnight, the first instant of a day comes before the last of the day before it.
  v_day := v_local::date + case when p_timezone = 'GMT' then 0 else 1 end;
  -- 29 February is eight years apart around 1900 and 2100.
  v_oldest := v_day - 9 * 366;
  while v_day >= v_oldest loop
    if extract(month from v_day)::integer <> all (v_months) then
      v_day := pg_catalog.date_trunc('month', v_day::timestamp)::date - 1;
      continue;
    end if;
    v_fits_dom := extract(day from v_day)::integer = any (v_doms)
      or (v_last_day and extract(day from v_day + 1) = 1);
    v_fits_dow := extract(dow from v_day)::integer = any (v_dows);
    if (v_fits_dom and v_fits_dow) or (v_either and (v_fits_dom or v_fits_dow)) then
      if v_day < v_local::date or p_timezone <> 'GMT' then
        v_hour := (select pg_catalog.max(h.v) from pg_catalog.unnest(v_hours) as h (v));
        v_minute := (select pg_catalog.max(m.v) from pg_catalog.unnest(v_minutes) as m (v));
      else
        v_hour := extract(hour from v_local)::integer;
        v_minute := case when v_hour = any (v_hours) then (
          select pg_catalog.max(m.v) from pg_catalog.unnest(v_minutes) as m (v) where m.v <= extract(minute from v_local)
        ) end;
        if v_minute is null then
          v_hour := (select pg_catalog.max(h.v) from pg_catalog.unnest(v_hours) as h (v) where h.v < v_hour);
          v_minute := (select pg_catalog.max(m.v) from pg_catalog.unnest(v_minutes) as m (v));
        end if;
      end if;
      v_due := v_day + pg_catalog.make_time(v_hour, v_minute, 0);
      v_instant := v_due at time zone p_timezone;
      if p_timezone <> 'GMT' then
        -- A time that the clocks skipped comes out with the offset before the change, as it should. Of one that they
        -- showed twice it is the second; with the offset of a day earlier it is the first.
        v_before := v_instant - interval '24 hours';
        v_first := v_before + (v_due - (v_before at time zone p_timezone));
        if v_first < v_instant and v_first at time zone p_timezone = v_due then
          v_instant := v_first;
        end if;
      end if;
      if v_instant <= p_now then
        return v_instant;
      end if;
    end if;
    v_day := v_day - 1;
  end loop;
  return null;
end;
$$;

comment on function app.last_due_of(jsonb, text, timestamptz) is
  'The last time up to p_now that a parsed schedule was due (spec/schedule.ts); null when it was not in the last nine '
  'years. In a time zone other than GMT it takes one hour and one minute only, and is due once per local day: a time that '
  'the clocks skip with the offset before the change, one that they show twice the first time.';

revoke all on function app.last_due_of(jsonb, text, timestamptz) from public;
