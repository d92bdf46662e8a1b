-- What a database with a million jobs in it taught (bench/scale.py).

-- Which jobs are on a ComfyUI, and on which one: as few as run. The state and the server come first: whoever looks for
-- those of one finds them without any guess of PostgreSQL's at how many there are, by which it read all jobs otherwise.
DROP INDEX jobs_submitted;
CREATE INDEX jobs_submitted ON jobs (state, server, queue_id)
    WHERE state IN ('queued', 'running', 'canceling') AND submitted_at IS NOT NULL;

-- What a key was told, the newest first.
CREATE INDEX deliveries_by_key ON deliveries (key_id, created_at DESC, id DESC);
