-- pg_cron can be created in one database of a server only, the one that cron.database_name names: this one.
-- Where the server's administrator has created it already (sql/server/administrator.sql), this does nothing.

create extension if not exists pg_cron;
