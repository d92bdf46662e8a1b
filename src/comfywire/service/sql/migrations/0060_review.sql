-- Needs are kept for as long as any job has them: one that is retried may be old.
CREATE INDEX jobs_by_need ON jobs (need);

-- Which jobs somebody wants to end: few.
CREATE INDEX jobs_canceling ON jobs (queue_id) WHERE state = 'canceling';

-- For how long a job may wait: a retry begins the time anew.
ALTER TABLE jobs ADD COLUMN queue_timeout double precision;
UPDATE jobs SET queue_timeout = EXTRACT(epoch FROM queue_until - created_at) WHERE queue_until IS NOT NULL;
