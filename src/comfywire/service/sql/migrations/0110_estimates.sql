-- What jobs took lately, by what they need and in all (sql/estimates.sql), found without looking through those before.

CREATE INDEX jobs_took ON jobs (need, completed_at DESC)
    WHERE state = 'succeeded' AND started_at IS NOT NULL AND outputs_reused IS NOT TRUE;
CREATE INDEX jobs_took_lately ON jobs (completed_at DESC)
    WHERE state = 'succeeded' AND started_at IS NOT NULL AND outputs_reused IS NOT TRUE;
CREATE INDEX jobs_running ON jobs (server) WHERE state = 'running';
