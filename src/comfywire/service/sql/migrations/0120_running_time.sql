-- How long a job may run, how often it has taken its worker along, and for how long a ComfyUI runs what it runs.

ALTER TABLE jobs ADD COLUMN run_timeout double precision;
ALTER TABLE jobs ADD COLUMN deaths integer NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN run_timeout double precision;
ALTER TABLE servers ADD COLUMN running_since timestamptz;

-- Which jobs workers have died of: hardly any.
CREATE INDEX jobs_suspect ON jobs (queue_id) WHERE deaths > 1 AND state IN ('queued', 'running', 'canceling');
