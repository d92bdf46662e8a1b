-- From the workers, who hear ComfyUIs, to the processes that hold sockets of ComfyUI's own API.

-- name: open_socket
-- Its workers are told in the same breath. The row stays for a while when it is closed: whoever comes back is told what
-- ended meanwhile.
WITH before AS (
    SELECT max(COALESCE(closed_at, seen_at)) AS heard_until
      FROM native_sockets WHERE key_id = %(key_id)s AND client_id = %(client_id)s
), opened AS (
    INSERT INTO native_sockets (id, process, key_id, client_id)
    VALUES (%(socket)s, %(process)s, %(key_id)s, %(client_id)s)
    RETURNING id
)
SELECT heard_until, (SELECT pg_notify('comfywire_native_sockets', id::text) FROM opened) FROM before;

-- name: close_sockets
UPDATE native_sockets SET closed_at = now(), seen_at = now() WHERE id = ANY(%(sockets)s::uuid[]);

-- name: beat
WITH gone AS (
    DELETE FROM native_sockets WHERE seen_at < now() - make_interval(secs => %(remembered)s::float8)
), stale AS (
    DELETE FROM native_messages WHERE at < now() - make_interval(secs => %(kept)s::float8)
)
UPDATE native_sockets SET seen_at = now() WHERE process = %(process)s AND closed_at IS NULL;

-- name: open_sockets
-- Those of other processes: what is in our own needs no database.
SELECT id, process, key_id, client_id
  FROM native_sockets
 WHERE closed_at IS NULL AND process <> %(process)s AND seen_at > now() - make_interval(secs => %(lease)s::float8);

-- name: say
-- One statement for whatever has come up since the last one, and one notification for each process that is to read.
WITH said AS (
    INSERT INTO native_messages (process, job_id, key_id, client_id, socket, kind, text, bytes)
    SELECT * FROM unnest(%(processes)s::uuid[], %(jobs)s::uuid[], %(keys)s::uuid[], %(clients)s::text[],
                         %(sockets)s::uuid[], %(kinds)s::text[], %(texts)s::text[], %(bytes)s::bytea[])
    RETURNING process
)
SELECT pg_notify('comfywire_native_messages', process::text) FROM (SELECT DISTINCT process FROM said) AS told;

-- name: take
WITH taken AS (DELETE FROM native_messages WHERE process = %(process)s RETURNING *)
SELECT id, job_id, key_id, client_id, socket, kind, text, bytes FROM taken ORDER BY id;

-- name: remaining
-- As /prompt and /queue count them.
SELECT count(*) AS remaining FROM jobs
 WHERE key_id = %(key_id)s AND
-- include: native.is_in_queue
;

-- name: is_waited_on
-- By a socket whose prompt has not ended, or by who asks again and again, and may have to fetch its files yet.
SELECT EXISTS (
    SELECT FROM jobs JOIN native_prompts AS native ON native.job_id = jobs.id
     WHERE jobs.key_id = ANY(%(keys)s::uuid[]) AND in_history IS NOT NULL AND completed_at IS NULL
       AND (jobs.key_id, native.client_id) IN (SELECT * FROM unnest(%(keys)s::uuid[], %(clients)s::text[]))
) OR EXISTS (
    SELECT FROM jobs
     WHERE key_id = ANY(%(asking)s::uuid[]) AND in_history IS NOT NULL
       AND (completed_at IS NULL OR completed_at > now() - make_interval(secs => %(quiet)s::float8))
) AS is_waited_on;

-- name: ended_columns
SELECT jobs.id, jobs.key_id, client_id, state, started_at, error, entry, (
    SELECT count(*) FROM jobs AS other
     WHERE other.key_id = jobs.key_id AND other.in_history IS NOT NULL AND other.completed_at IS NULL
       AND (other.state <> 'canceling' OR other.started_at IS NOT NULL OR EXISTS (
           SELECT FROM native_prompts AS told WHERE told.job_id = other.id AND told.entry IS NOT NULL))) AS remaining
  FROM jobs JOIN native_prompts ON job_id = jobs.id

-- name: ended
-- How jobs ended, for who waits for that; one that somebody wanted to be run once more since has not.
-- include: relay.ended_columns
 WHERE jobs.id = ANY(%(jobs)s::uuid[]) AND completed_at IS NOT NULL
 ORDER BY completed_at, jobs.id;

-- name: missed
-- include: relay.ended_columns
 WHERE jobs.key_id = %(key_id)s AND client_id = %(client_id)s AND in_history AND completed_at > %(since)s
 ORDER BY completed_at, jobs.id
 LIMIT %(most)s;

-- name: ended_meanwhile
-- A moment more than that: what ends is dated when its transaction begins.
SELECT id, now() AS now
  FROM (SELECT 1) AS always
  LEFT JOIN jobs ON key_id = ANY(%(keys)s::uuid[]) AND in_history
   AND completed_at > COALESCE(%(since)s::timestamptz, now()) - interval '5 seconds';
