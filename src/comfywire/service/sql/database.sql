-- What is asked of the database itself.

-- name: take_locks
-- What recording a job takes, so that somebody who holds all of it is found out; no longer than a probe may last.
LOCK TABLE jobs IN ROW EXCLUSIVE MODE;

-- name: try_to_write
-- A real row, which is rolled back: what refuses writes says so here.
INSERT INTO switches (name, value) VALUES (gen_random_uuid()::text, 'null');

-- name: clock
SELECT EXTRACT(epoch FROM clock_timestamp())::float8 AS seconds;

-- name: is_standby
SELECT pg_is_in_recovery() AS is_standby;

-- name: set_mark
-- In this session, or in that of whoever is given its server next (pooling.py).
SELECT set_config('comfywire.mark', %(mark)s, false);

-- name: mark
SELECT current_setting('comfywire.mark', true) AS mark;

-- name: schema
SELECT current_setting('search_path') AS schema, quote_ident(current_user) AS role;
