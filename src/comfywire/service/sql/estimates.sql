-- What jobs took, and who is busy: what expected times are told by.

-- name: took
-- The newest runs that made something anew, of the last thousand that ended: one that the ComfyUI answered from its cache
-- says nothing of the next. All are kept equally long, so that what ended last expires last, too.
WITH own AS (
    SELECT EXTRACT(epoch FROM completed_at - started_at)::float8 AS took
      FROM (SELECT state, started_at, completed_at, outputs_reused FROM jobs
             WHERE need = %(need)s AND completed_at IS NOT NULL
             ORDER BY completed_at DESC NULLS LAST LIMIT 1000) AS ended
     WHERE state = 'succeeded' AND started_at IS NOT NULL AND outputs_reused IS NOT TRUE
     ORDER BY completed_at DESC NULLS LAST LIMIT 20
), newest AS (
    SELECT EXTRACT(epoch FROM completed_at - started_at)::float8 AS took
      FROM (SELECT state, started_at, completed_at, outputs_reused, expires_at FROM jobs
             WHERE state IN ('succeeded', 'failed', 'canceled', 'expired')  -- as jobs_expires has it
             ORDER BY expires_at DESC LIMIT 1000) AS ended
     WHERE state = 'succeeded' AND started_at IS NOT NULL AND outputs_reused IS NOT TRUE
     ORDER BY expires_at DESC LIMIT 50
)
SELECT (SELECT count(*) FROM own) AS own_runs, (SELECT avg(took) FROM own) AS own_seconds,
       (SELECT count(*) FROM newest) AS any_runs, (SELECT avg(took) FROM newest) AS any_seconds;

-- name: busy
-- The servers that take jobs of a need, and for how long what runs there has run; NULL on an idle one.
SELECT running.ran
  FROM servers JOIN refusals ON refusals.server = servers.url AND refusals.need = %(need)s
  LEFT JOIN (SELECT server, EXTRACT(epoch FROM now() - max(started_at))::float8 AS ran
               FROM jobs WHERE state = 'running' AND submitted_at IS NOT NULL  -- as jobs_submitted has it
              GROUP BY server) AS running ON running.server = servers.url
 WHERE servers.state = 'up' AND servers.wanted = 'active' AND refusals.reasons = '[]'
   AND
-- include: servers.is_heard
;

-- name: waiting
-- What waits for a server, by what it needs of one; not what waits for others of its own key. The largest needs only. A
-- need that only such jobs have is there with 0: it was looked at, too.
SELECT need, needs.requirement, count, oldest, total
  FROM (SELECT need, (sum(count(*)) OVER ())::bigint AS total, count(*) FILTER (WHERE queue_id IS NOT NULL AND submitted_at IS NULL) AS count,
               min(created_at) FILTER (WHERE queue_id IS NOT NULL AND submitted_at IS NULL) AS oldest
          FROM jobs
         WHERE state = 'queued'
         GROUP BY need) AS waiting
  JOIN needs USING (need)
 ORDER BY count DESC, need
 LIMIT %(limit)s;
