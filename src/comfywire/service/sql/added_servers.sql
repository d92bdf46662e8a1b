-- Servers that were added over the API: who looks after each, and what becomes of them.

-- name: is_named
-- Whether a worker that was started with it speaks of it.
servers.named_at IS NOT NULL AND servers.worker IS NOT NULL
  AND servers.named_at > now() - make_interval(secs => %(silent_after)s::float8)

-- name: how
-- What there is at a URL.
SELECT EXISTS (SELECT FROM added_servers WHERE url = %(url)s) AS is_added,
       servers.url IS NOT NULL AS is_known, servers.is_removed,
-- include: added_servers.is_named
       AS is_named,
-- include: servers.is_heard
       AS is_heard
  FROM (VALUES (1)) AS one LEFT JOIN servers ON servers.url = %(url)s;

-- name: count
SELECT count(*) AS count FROM added_servers;

-- name: add
WITH added AS (
    INSERT INTO added_servers (url, address, tags, slots)
    VALUES (%(url)s, %(address)s, %(tags)s::text[], %(slots)s::int)
    ON CONFLICT DO NOTHING
    RETURNING url, address, tags
), listed AS (
    INSERT INTO servers (url, address, state, reason, tags)
    SELECT url, address, 'down', 'no worker has looked at it yet', tags FROM added
    ON CONFLICT (url) DO UPDATE
       SET wanted = 'active', is_removed = false, tags = excluded.tags, address = excluded.address,
           named_at = NULL, changed_at = now()
    RETURNING url
)
SELECT url, pg_notify('comfywire_servers', url) FROM listed;

-- name: remove
-- One that has jobs stays until these have ended, and takes no more.
WITH removed AS (
    DELETE FROM added_servers WHERE url = %(url)s RETURNING url
), gone AS (
    DELETE FROM servers USING removed
     WHERE servers.url = removed.url
       AND NOT
-- include: added_servers.has_jobs
    RETURNING servers.url
), drained AS (
    UPDATE servers SET wanted = 'drained', is_removed = true, changed_at = now() FROM removed
     WHERE servers.url = removed.url
       AND
-- include: added_servers.has_jobs
)
SELECT url, pg_notify('comfywire_servers', url) FROM removed;

-- name: has_jobs
EXISTS (SELECT FROM jobs WHERE server = servers.url AND submitted_at IS NOT NULL
           AND jobs.state IN ('queued', 'running', 'canceling'))

-- name: claim
-- One worker looks after each: the one that does, or one that asks when no worker does. Each takes its share of those, and
-- passes over what another one is taking just now. What nobody has taken for a while, anybody takes.
WITH alive AS (
    SELECT count(*) AS workers
      FROM worker_names AS told JOIN procrastinate_workers AS worker ON worker.id = told.number
     WHERE worker.last_heartbeat > now() - make_interval(secs => %(silent_after)s::float8)
), room AS (
    SELECT GREATEST(
        ceil((SELECT count(*) FROM added_servers) / GREATEST(workers, 1)::float8)::bigint
        - (SELECT count(*) FROM servers JOIN added_servers USING (url) WHERE servers.worker = %(worker)s),
        (SELECT count(*) FROM servers JOIN added_servers USING (url)
          WHERE
-- include: added_servers.free_since
                < now() - make_interval(secs => %(anybody_after)s::float8) AND
-- include: added_servers.is_free
        )) AS more
      FROM alive
), taken AS (
    SELECT servers.url FROM servers JOIN added_servers USING (url)
     WHERE
-- include: added_servers.is_free
     ORDER BY servers.url
     LIMIT (SELECT GREATEST(more, 0) FROM room)
       FOR UPDATE OF servers SKIP LOCKED
)
UPDATE servers
   SET worker = %(worker)s,
       seen_at = CASE WHEN servers.worker = %(worker)s THEN servers.seen_at ELSE now() END
  FROM added_servers AS added
 WHERE added.url = servers.url
   AND (servers.worker = %(worker)s OR servers.url IN (SELECT url FROM taken))
   AND (
-- include: added_servers.is_named
   ) IS NOT TRUE
RETURNING servers.url, added.address, added.tags, added.slots;

-- name: is_free
-- Whether no worker looks after it, and none was started with it: nobody speaks of it, or the engine has forgotten who
-- did, since that one is dead.
(servers.worker IS NULL
 OR servers.seen_at < now() - make_interval(secs => %(silent_after)s::float8)
 OR EXISTS (SELECT FROM worker_names AS told
             WHERE told.name = servers.worker
               AND NOT EXISTS (SELECT FROM procrastinate_workers AS worker WHERE worker.id = told.number)))
AND (servers.named_at IS NULL OR servers.worker IS NULL
     OR servers.named_at <= now() - make_interval(secs => %(silent_after)s::float8))

-- name: free_since
-- Since when it is free: its worker left it, or was found dead, which may be long after it last spoke of it, or is one of
-- which silence alone tells.
COALESCE((SELECT COALESCE(told.died_at, servers.seen_at) FROM worker_names AS told
           WHERE told.name = servers.worker
             AND NOT EXISTS (SELECT FROM procrastinate_workers AS worker WHERE worker.id = told.number)),
         servers.seen_at + CASE WHEN servers.worker IS NULL THEN interval '0'
                                ELSE make_interval(secs => %(silent_after)s::float8) END)

-- name: forget
-- Its worker has let go of it.
DELETE FROM servers
 WHERE url = %(url)s AND NOT EXISTS (SELECT FROM added_servers AS added WHERE added.url = servers.url)
   AND (
-- include: added_servers.is_named
   ) IS NOT TRUE
   AND NOT
-- include: added_servers.has_jobs
;

-- name: addresses
SELECT url, address FROM added_servers;

-- name: seal_anew
UPDATE added_servers SET address = %(sealed)s WHERE url = %(url)s AND address = %(known)s;
