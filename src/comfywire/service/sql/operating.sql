-- The fleet and the queue, as people look at them and switch them.

-- name: servers
SELECT url, state, wanted, reason, tags, version, devices, loaded, running, pending, foreign_prompts, counts, worker,
       running_since, seen_at, changed_at, is_removed,
       EXISTS (SELECT FROM added_servers AS added WHERE added.url = servers.url) AND (
-- include: added_servers.is_named
       ) IS NOT TRUE AS is_added,
-- include: servers.is_heard
       AS is_heard,
       running + pending = 0
         AND NOT EXISTS (SELECT FROM jobs WHERE server = servers.url AND submitted_at IS NOT NULL
                            AND jobs.state IN ('queued', 'running', 'canceling')) AS is_empty
  FROM servers
 ORDER BY url;

-- name: want
UPDATE servers SET wanted = %(wanted)s, changed_at = now() WHERE url = %(url)s
RETURNING pg_notify('comfywire_servers', url);

-- name: switch_queue
INSERT INTO switches (name, value) VALUES ('queue', jsonb_build_object('paused', %(paused)s::bool))
ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = now()
RETURNING pg_notify('comfywire_needs', '');

-- name: queue
SELECT COALESCE((SELECT (value ->> 'paused')::bool FROM switches WHERE name = 'queue'), false) AS paused,
       -- What runs was submitted to a ComfyUI: as jobs_submitted has it.
       (SELECT count(*) FROM jobs WHERE state = 'running' AND submitted_at IS NOT NULL) AS running,
       (SELECT count(*) FROM jobs WHERE state = 'canceling') AS canceling,
       (SELECT min(created_at) FROM jobs WHERE state = 'queued') AS oldest;

-- name: queued
SELECT count(*) AS count, count(*) AS total FROM jobs WHERE state = 'queued';

-- name: waiting_by_key
SELECT priority, key_id, keys.name AS key_name, count, oldest, is_held, total
  FROM (SELECT priority, key_id, count(*) AS count, min(created_at) AS oldest, bool_or(queue_id IS NULL) AS is_held,
               (sum(count(*)) OVER ())::bigint AS total
          FROM jobs
         WHERE state = 'queued'
         GROUP BY priority, key_id
         ORDER BY priority DESC, min(created_at)
         LIMIT %(limit)s) AS waiting
  JOIN keys ON keys.id = key_id
 ORDER BY priority DESC, oldest;

-- name: to_front
-- Round 0 of the highest priority that waits, in the order in which they were submitted.
WITH best AS (
    SELECT max(priority) AS priority FROM jobs WHERE state = 'queued'
), moved AS (
    UPDATE jobs SET priority = best.priority FROM best
     WHERE key_id = %(key_id)s AND jobs.priority = %(priority)s AND state = 'queued' AND submitted_at IS NULL
       AND queue_id IS NOT NULL
    RETURNING queue_id, jobs.priority
), queued AS (
    UPDATE procrastinate_jobs AS own SET priority = moved.priority * %(band)s FROM moved
     WHERE own.id = moved.queue_id AND status = 'todo'
    RETURNING own.id
)
SELECT count(*) AS count FROM queued;

-- name: waiting
-- What each server says about a need; reasons are NULL where it has not said anything yet.
SELECT servers.url, servers.state, servers.wanted, servers.reason, refusal.reasons,
-- include: servers.is_heard
       AS is_heard,
       COALESCE((SELECT (value ->> 'paused')::bool FROM switches WHERE name = 'queue'), false) AS is_paused
  FROM (VALUES (1)) AS one
  LEFT JOIN servers ON true
  LEFT JOIN refusals AS refusal ON refusal.server = servers.url AND refusal.need = %(need)s
 ORDER BY servers.url;

-- name: catalogues
SELECT DISTINCT ON (catalogue) catalogue AS digest, version FROM servers WHERE catalogue IS NOT NULL
 ORDER BY catalogue, version;

-- name: catalogues_by_server
SELECT url, catalogue AS digest FROM servers WHERE catalogue IS NOT NULL AND state <> 'gone' AND NOT is_removed;

-- name: object_info
SELECT object_info FROM catalogues WHERE digest = %(digest)s;
