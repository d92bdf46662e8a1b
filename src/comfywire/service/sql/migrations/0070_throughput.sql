-- What a job costs when thousands of them take a moment each (bench/service.py).

-- The engine writes a diary of its own, two rows a job, which go with the job; ours is transitions. Nor do we use
-- its periodic tasks, which each job that goes is looked for in. What it notifies us with goes on.
DO $$
DECLARE
    own record;
BEGIN
    FOR own IN SELECT tgname FROM pg_trigger
                WHERE tgrelid = 'procrastinate_jobs'::regclass AND tgname LIKE 'procrastinate\_trigger\_%'
    LOOP
        EXECUTE format('ALTER TABLE procrastinate_jobs DISABLE TRIGGER %I', own.tgname);
    END LOOP;
END $$;

-- Indexes that a job enters only when they can be about it: each change of its state writes every one that it is in.
DROP INDEX jobs_expires;
CREATE INDEX jobs_expires ON jobs (expires_at) WHERE state IN ('succeeded', 'failed', 'canceled', 'expired');
DROP INDEX jobs_queue_until;
CREATE INDEX jobs_queue_until ON jobs (queue_until) WHERE state = 'queued' AND queue_until IS NOT NULL;
DROP INDEX jobs_labels;
CREATE INDEX jobs_labels ON jobs USING gin (labels jsonb_path_ops) WHERE labels <> '{}';
