-- Figures for Prometheus, computed when it asks, so that every process gives the same answer.

-- name: jobs
SELECT 'queued' AS state, priority, count(*) AS count, EXTRACT(epoch FROM now() - min(created_at))::float8 AS age,
       (sum(count(*)) OVER ())::bigint AS total
  FROM jobs WHERE state = 'queued'
 GROUP BY priority;

-- name: running
-- State by state, since each has an index of its own: those that have ended are not looked at.
SELECT state, priority, count(*) AS count
  FROM (SELECT 'running' AS state, priority FROM jobs WHERE state = 'running' AND submitted_at IS NOT NULL UNION ALL
        SELECT 'canceling', priority FROM jobs WHERE state = 'canceling') AS open
 GROUP BY state, priority;

-- name: measure
-- Counts, and times by bucket, of the changes of state after one event and up to another.
WITH change AS (
    SELECT own.event_id, own.job_id, own.from_state, own.to_state, own.at, own.kind
      FROM job_transitions AS own
     WHERE own.event_id > %(after)s AND own.event_id <= %(until)s
), timed AS (
    SELECT 'wait' AS name, '' AS label, change.at - before.at AS took
      FROM change CROSS JOIN LATERAL (
        SELECT max(at) AS at FROM job_transitions AS other
         WHERE other.job_id = change.job_id AND other.event_id < change.event_id AND other.to_state = 'queued'
           AND other.from_state IS DISTINCT FROM 'queued'
      ) AS before
     WHERE change.to_state = 'running' AND change.from_state = 'queued'
    UNION ALL
    SELECT 'run', change.to_state::text, change.at - before.at
      FROM change CROSS JOIN LATERAL (
        SELECT max(at) AS at FROM job_transitions AS other
         WHERE other.job_id = change.job_id AND other.event_id < change.event_id AND other.to_state = 'running'
           AND other.from_state IS DISTINCT FROM 'running'
      ) AS before
     WHERE change.to_state IN ('succeeded', 'failed', 'canceled') AND before.at IS NOT NULL
), seconds AS (
    SELECT name, label, EXTRACT(epoch FROM took)::float8 AS took FROM timed WHERE took IS NOT NULL
)
SELECT name, label, width_bucket(took, %(bounds)s::float8[]) AS bucket, count(*) AS count, sum(took) AS total
  FROM seconds GROUP BY 1, 2, 3
UNION ALL
SELECT CASE kind WHEN 'handed_back' THEN 'given_back'
                 WHEN 'freed' THEN 'given_back'
                 WHEN 'out_of_reach' THEN 'put_off'
                 ELSE kind::text END,
       CASE WHEN to_state IN ('succeeded', 'failed', 'canceled', 'expired') THEN to_state::text ELSE '' END,
       0, count(*), 0
  FROM change
 WHERE kind NOT IN ('began', 'cancel_asked')
 GROUP BY 1, 2;

-- name: lock_tallied
-- One process sums up at a time; the others wait for it, and go on from where it ends.
SELECT event_id FROM tallied FOR UPDATE;

-- name: horizon
-- The newest event before which none can turn up any more: a number is given out when a row is written, the row is
-- seen when it commits, and our transactions are over within two minutes.
SELECT event_id FROM job_transitions WHERE at < now() - interval '2 minutes' ORDER BY event_id DESC LIMIT 1;

-- name: add_tallies
INSERT INTO tallies AS own (name, label, bucket, count, total)
SELECT * FROM unnest(%(names)s::text[], %(labels)s::text[], %(buckets)s::int[], %(counts)s::bigint[],
                     %(totals)s::float8[])
ON CONFLICT (name, label, bucket) DO UPDATE
   SET count = own.count + excluded.count, total = own.total + excluded.total;

-- name: move_tallied
UPDATE tallied SET event_id = %(event_id)s;

-- name: tallies
SELECT name, label, bucket, count, total FROM tallies;

-- name: servers
SELECT url,
       CASE WHEN
-- include: servers.is_heard
       THEN state ELSE 'silent' END AS state,
       wanted, running, pending, foreign_prompts, counts,
       EXTRACT(epoch FROM now() - seen_at)::float8 AS silent,
       EXTRACT(epoch FROM now() - running_since)::float8 AS running_for
  FROM servers ORDER BY url;

-- name: webhooks
SELECT state, count(*) AS count, (sum(count(*)) OVER ())::bigint AS total FROM deliveries GROUP BY state;

-- name: webhook_tries
SELECT COALESCE(hundreds || 'xx', 'no answer') AS result, count, (sum(count) OVER ())::bigint AS total
  FROM (SELECT status / 100 AS hundreds, count(*) AS count FROM delivery_tries GROUP BY 1) AS answers;

-- name: blobs
SELECT count(*) AS blobs, count(*) AS total, COALESCE(sum(size_bytes), 0)::float8 AS size_bytes FROM blobs;

-- name: is_paused
SELECT COALESCE((SELECT (value ->> 'paused')::bool FROM switches WHERE name = 'queue'), false) AS paused;
