-- What jobs took, and who is busy: what expected times are told by.

-- name: took
-- The newest runs that made something anew: one that the ComfyUI answered from its cache says nothing of the next.
WITH own AS (
    SELECT EXTRACT(epoch FROM completed_at - started_at)::float8 AS took
      FROM jobs
     WHERE need = %(need)s AND state = 'succeeded' AND started_at IS NOT NULL AND outputs_reused IS NOT TRUE
     ORDER BY completed_at DESC LIMIT 20
), newest AS (
    SELECT EXTRACT(epoch FROM completed_at - started_at)::float8 AS took
      FROM jobs
     WHERE state = 'succeeded' AND started_at IS NOT NULL AND outputs_reused IS NOT TRUE
     ORDER BY completed_at DESC LIMIT 50
)
SELECT (SELECT count(*) FROM own) AS own_runs, (SELECT avg(took) FROM own) AS own_seconds,
       (SELECT count(*) FROM newest) AS any_runs, (SELECT avg(took) FROM newest) AS any_seconds;

-- name: busy
-- The servers that take jobs of a need, and for how long what runs there has run; NULL on an idle one.
SELECT (SELECT EXTRACT(epoch FROM now() - max(started_at))::float8
          FROM jobs WHERE jobs.server = servers.url AND jobs.state = 'running') AS ran
  FROM servers JOIN refusals ON refusals.server = servers.url AND refusals.need = %(need)s
 WHERE servers.state = 'up' AND servers.wanted = 'active' AND refusals.reasons = '[]'
   AND
-- include: servers.is_heard
;

-- name: waiting
-- What waits for a server, by what it needs of one; not what waits for others of its own key. The largest needs only.
SELECT need, needs.requirement, count, oldest
  FROM (SELECT need, count(*) FILTER (WHERE queue_id IS NOT NULL AND submitted_at IS NULL) AS count,
               min(created_at) FILTER (WHERE queue_id IS NOT NULL AND submitted_at IS NULL) AS oldest
          FROM jobs
         WHERE state = 'queued'
         GROUP BY need) AS waiting
  JOIN needs USING (need)
 WHERE count > 0
 ORDER BY count DESC, need
 LIMIT %(limit)s;
