import type pg from "pg";

/**
 * Makes the functions of a merchant's database wait minutes for a lock, where they wait seconds: what a test holds while
 * it looks around must not run out on a machine that is slow. A test of a timeout sets its own.
 */
export async function waitPatiently(client: Pick<pg.Client, "query">): Promise<void> {
  await client.query(
    `do $$
     declare v_routine regprocedure;
     begin
       for v_routine in
         select p.oid from pg_proc as p
         where p.pronamespace = 'app'::regnamespace and p.proconfig::text like '%lock_timeout=%'
       loop
         execute format('alter routine %s set lock_timeout = ''5min''', v_routine);
       end loop;
     end $$`,
  );
}
