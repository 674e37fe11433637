-- The cell's own job, in this database and under the administrator. A merchant's id has no hyphen, so that no merchant's
-- jobs have such a name. Scheduled again it stays as it is, but a paused one would stay paused: hence alter_job.
do $$
begin
  perform cron.alter_job(
    job_id => cron.schedule(
      'merchant-jobs:cleanup_run_details', '20 4 * * *', 'CALL merchant_jobs.cleanup_run_details()'
    ),
    active => true
  );
end
$$;
