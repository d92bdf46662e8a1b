-- Servers, as the workers see them and the operator wants them.

-- name: tell
-- No row: it was added over the API, and is that no longer, or a worker was started with it since, or another one has
-- taken it from this one, which was frozen, say. Then whoever looked after it lets go of it.
INSERT INTO servers AS own (url, address, worker, state, reason, tags, version, devices, catalogue, loaded, running,
                            pending, foreign_prompts, counts, running_since, named_at)
SELECT %(url)s, %(address)s, %(worker)s, %(state)s, %(reason)s, %(tags)s, %(version)s, %(devices)s, %(catalogue)s,
       %(loaded)s, %(running)s, %(pending)s, %(foreign_prompts)s, %(counts)s,
       now() - make_interval(secs => %(running_for)s::float8), CASE WHEN %(is_named)s::bool THEN now() END
 WHERE %(is_named)s::bool
    OR EXISTS (SELECT FROM added_servers LEFT JOIN servers USING (url)
                WHERE url = %(url)s AND (
-- include: added_servers.is_named
       ) IS NOT TRUE)
ON CONFLICT (url) DO UPDATE
   SET address = excluded.address, worker = excluded.worker, state = excluded.state, reason = excluded.reason,
       tags = excluded.tags, version = COALESCE(excluded.version, own.version), devices = excluded.devices,
       catalogue = COALESCE(excluded.catalogue, own.catalogue), loaded = excluded.loaded,
       running = excluded.running, pending = excluded.pending, foreign_prompts = excluded.foreign_prompts,
       counts = excluded.counts, running_since = excluded.running_since, seen_at = now(),
       named_at = COALESCE(excluded.named_at, own.named_at), is_removed = false,
       changed_at = CASE WHEN own.state <> excluded.state THEN now() ELSE own.changed_at END
 WHERE %(is_named)s::bool OR own.worker IS NULL OR own.worker = excluded.worker
RETURNING wanted;

-- name: leave
-- Its worker stops. Another one of the same server may have spoken last; if not, it does when it hears this.
WITH nobody AS (DELETE FROM worker_names WHERE name = %(worker)s),
     alone AS (UPDATE servers SET worker = NULL WHERE worker = %(worker)s RETURNING url)
SELECT pg_notify('comfywire_servers', url) FROM alone;

-- name: gone
-- They are no more, and what was on them is lost.
UPDATE servers SET worker = NULL, state = 'gone', reason = 'it is gone for good', changed_at = now()
 WHERE url = ANY(%(urls)s);

-- name: is_gone
SELECT FROM servers WHERE url = %(url)s AND state = 'gone';

-- name: is_heard
-- Whether a worker speaks of it.
servers.worker IS NOT NULL AND servers.seen_at > now() - make_interval(secs => %(silent_after)s::float8)

-- name: keep_facts
UPDATE servers SET facts = %(facts)s WHERE url = %(url)s;

-- name: facts
SELECT url, facts, devices, version FROM servers
 WHERE state = 'up' AND
-- include: servers.is_heard
 ORDER BY url;

-- name: want_free
-- Those that have nothing to do; who has something keeps its models for that.
UPDATE servers SET free_wanted = true
 WHERE state = 'up' AND running + pending + foreign_prompts = 0
RETURNING pg_notify('comfywire_servers', url);

-- name: take_free
UPDATE servers SET free_wanted = false WHERE url = %(url)s AND free_wanted RETURNING url;

-- name: address
SELECT address FROM servers WHERE url = %(url)s;

-- name: keep_catalogue
INSERT INTO catalogues (digest, object_info) VALUES (%(digest)s, %(object_info)s) ON CONFLICT DO NOTHING;

-- name: proven
-- Read once for each need that a worker learns of.
SELECT need FROM unnest(%(needs)s::text[]) AS asked (need)
 WHERE EXISTS (SELECT FROM jobs WHERE jobs.need = asked.need AND jobs.state = 'succeeded');

-- name: needs
SELECT need, requirement FROM needs WHERE %(known)s::text[] IS NULL OR need <> ALL(%(known)s);

-- name: are_waited_for
SELECT FROM unnest(%(needs)s::text[]) AS asked (need)
 WHERE EXISTS (SELECT FROM procrastinate_jobs WHERE queue_name = asked.need AND status = 'todo')
 LIMIT 1;

-- name: idle
-- Servers of other workers that meet a need and have nothing to do.
SELECT FROM servers JOIN refusals ON refusals.server = servers.url AND refusals.need = %(need)s
 WHERE refusals.reasons = '[]' AND servers.state = 'up' AND servers.wanted = 'active' AND servers.reason = ''
   AND servers.running + servers.pending + servers.foreign_prompts = 0
   AND servers.worker <> %(worker)s
   AND servers.seen_at > now() - make_interval(secs => %(seconds)s::float8)
 LIMIT 1;

-- name: others
-- Servers beside one that could take a job of this need.
SELECT FROM servers JOIN refusals ON refusals.server = servers.url AND refusals.need = %(need)s
 WHERE refusals.reasons = '[]' AND servers.state = 'up' AND servers.wanted = 'active' AND servers.url <> %(url)s
   AND
-- include: servers.is_heard
 LIMIT 1;

-- name: refuse
INSERT INTO refusals (server, need, reasons)
SELECT %(server)s, need, reasons
  FROM unnest(%(needs)s::text[], %(reasons)s::jsonb[]) AS told (need, reasons)
 WHERE EXISTS (SELECT FROM needs WHERE needs.need = told.need)
   AND EXISTS (SELECT FROM servers WHERE servers.url = %(server)s)
ON CONFLICT (server, need) DO UPDATE SET reasons = excluded.reasons;

-- name: is_paused
SELECT COALESCE((SELECT (value ->> 'paused')::bool FROM switches WHERE name = 'queue'), false) AS paused;

-- name: forget_silent
-- Servers that no worker has told about for a long time are no part of the fleet any more.
DELETE FROM servers
 WHERE (seen_at < now() - make_interval(secs => %(seconds)s::float8) OR state = 'gone' OR is_removed)
   AND NOT EXISTS (SELECT FROM added_servers AS added WHERE added.url = servers.url)
   AND NOT EXISTS (SELECT FROM jobs WHERE server = servers.url AND submitted_at IS NOT NULL
                      AND state IN ('queued', 'running', 'canceling'));

-- name: forget_workers
-- Dead ones that spoke of no server that is kept.
DELETE FROM worker_names AS told
 WHERE NOT EXISTS (SELECT FROM procrastinate_workers AS worker WHERE worker.id = told.number)
   AND NOT EXISTS (SELECT FROM servers WHERE servers.worker = told.name);

-- name: forget_needs
DELETE FROM needs
 WHERE created_at < now() - interval '1 hour'
   AND NOT EXISTS (SELECT FROM jobs WHERE jobs.need = needs.need);

-- name: forgotten
SELECT need FROM unnest(%(known)s::text[]) AS known (need)
 WHERE NOT EXISTS (SELECT FROM needs WHERE needs.need = known.need);

-- name: forget_catalogues
-- Each change of a server's files makes another, of megabytes. Workers keep theirs anew whenever they have read it.
DELETE FROM catalogues
 WHERE created_at < now() - interval '1 hour'
   AND NOT EXISTS (SELECT FROM servers WHERE servers.catalogue = catalogues.digest);
