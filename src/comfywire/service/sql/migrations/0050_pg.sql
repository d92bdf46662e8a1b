-- What 100,000 waiting jobs taught (bench/service.py).

-- Which jobs of a key the engine has: few, however many of them wait.
CREATE INDEX jobs_admitted ON jobs (key_id)
    WHERE state IN ('queued', 'running', 'canceling') AND queue_id IS NOT NULL;

-- Which jobs are on a ComfyUI: as few as run.
CREATE INDEX jobs_submitted ON jobs (queue_id)
    WHERE state IN ('queued', 'running', 'canceling') AND submitted_at IS NOT NULL;

-- Pages of jobs, newest first: of a key, and of all. Both columns in the order of the listing.
CREATE INDEX jobs_by_key_newest ON jobs (key_id, created_at DESC, id DESC);
CREATE INDEX jobs_newest ON jobs (created_at DESC, id DESC);
DROP INDEX jobs_by_key;
-- Those in one state, and how many they are.
CREATE INDEX jobs_by_state ON jobs (key_id, state, created_at DESC, id DESC);
DROP INDEX jobs_open;

-- Rows are written a dozen times on their way: room for that in their page, and cleared away before it adds up.
ALTER TABLE jobs SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE procrastinate_jobs SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE shares SET (fillfactor = 50);
