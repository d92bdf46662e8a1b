-- What has happened, summed up, so that counters go on counting when jobs are forgotten (metrics.py).
CREATE TABLE tallies (
    name text NOT NULL,                          -- submitted, ended, wait, run, lost, ...
    label text NOT NULL,
    bucket integer NOT NULL,                     -- of a histogram; 0 for counters
    count bigint NOT NULL,
    total double precision NOT NULL,             -- seconds
    PRIMARY KEY (name, label, bucket)
);

-- Up to which event they go.
CREATE TABLE tallied (
    event_id bigint NOT NULL
);
INSERT INTO tallied VALUES (0);

-- Which registered workflow a job was made of is searched for.
CREATE INDEX jobs_by_workflow ON jobs (workflow_name, created_at DESC) WHERE workflow_name IS NOT NULL;
