-- The engine's tables, where its own queries do not do: in our transactions, or with an eye on fairness.

-- name: put
WITH allowed AS (SELECT true AS is_admitted),
-- include: queue.put_steps
SELECT id FROM queued;

-- name: put_steps
-- Queue a job in the next round of its key, or in the one that is being served; when nothing waits at this
-- priority, in a new one. Each submission locks its own key's row alone: no two can wait for each other.
head AS (
    SELECT %(priority)s * %(band)s - priority AS round
      FROM procrastinate_jobs
     WHERE status = 'todo'
       AND priority < %(priority)s * %(band)s  -- round 0 is no round: what an admin has moved to the front
       AND priority > (%(priority)s - 1) * %(band)s
     ORDER BY priority DESC, id
     LIMIT 1
), served AS (
    SELECT COALESCE((SELECT round FROM head),
                    (SELECT max(last_round) + 1 FROM shares WHERE priority = %(priority)s), 1) AS round
), share AS (
    INSERT INTO shares AS own (priority, key_id, last_round)
    SELECT %(priority)s, %(key_id)s, LEAST(round, %(band)s - 1) FROM served, allowed WHERE is_admitted
    ON CONFLICT (priority, key_id) DO UPDATE
        SET last_round = LEAST(GREATEST(own.last_round + 1, excluded.last_round), %(band)s - 1)
    RETURNING last_round
), queued AS (
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args)
    SELECT %(need)s, 'comfywire', %(priority)s * %(band)s - last_round,
           jsonb_build_object('job_id', %(job_id)s::text)
      FROM share
    RETURNING id, priority
)

-- name: heads
-- The next job of each need, in the order in which they should be served.
-- What avoids a server is passed over where no other one could take it now, so that it stands in nobody's way.
SELECT head.queue_name, head.priority, head.avoids
  FROM unnest(%(needs)s::text[], %(only)s::text[]) AS wanted (need, server)
 CROSS JOIN LATERAL (
    SELECT queue_name, priority, id, CASE WHEN
-- include: queue.avoids
           THEN args ->> 'avoids' END AS avoids
      FROM procrastinate_jobs
     WHERE queue_name = wanted.need
       AND status = 'todo'
       AND (scheduled_at IS NULL OR scheduled_at <= now())
       AND (%(alone)s OR NOT args ? 'suspect')
       AND (wanted.server IS NULL OR args ->> 'avoids' IS DISTINCT FROM wanted.server OR NOT (
-- include: queue.avoids
       ))
     ORDER BY priority DESC, id
     LIMIT 1
 ) AS head
 ORDER BY head.priority DESC, head.id;

-- name: avoids
-- Whether it is still to go to another server than the one that it names (give_back).
args ? 'avoids' AND (args ->> 'avoids_until')::float8 > EXTRACT(epoch FROM now())

-- name: take
-- The engine's own query sorts all that waits for a need: 6 ms with 5,000, and this one does not notice.
-- With a worker's name the job is claimed in the same breath, unless somebody has its row just now: whoever cancels
-- locks that first and the engine's afterwards, so nobody may wait for it here. And it is written down for `server`
-- (will_submit) where nothing comes before the POST, neither files nor secrets, and where no harm is done if the
-- worker dies now and the prompt counts as lost.
WITH head AS (
    SELECT id
      FROM procrastinate_jobs
     WHERE queue_name = %(need)s
       AND status = 'todo'
       AND (scheduled_at IS NULL OR scheduled_at <= now())
       AND (%(alone)s OR NOT args ? 'suspect')
       AND (%(server)s::text IS NULL OR args ->> 'avoids' IS DISTINCT FROM %(server)s OR NOT (
-- include: queue.avoids
       ))
     ORDER BY priority DESC, id
     LIMIT 1
       FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE procrastinate_jobs AS job
       SET status = 'doing', worker_id = %(worker)s
      FROM head
     WHERE job.id = head.id
    RETURNING job.id AS taken_id, job.queue_name, (job.args ->> 'job_id')::uuid AS job_id, job.args ? 'suspect' AS is_suspect
), old AS (
    SELECT jobs.id, jobs.attempt,
           jobs.state = 'queued' AND jobs.submitted_at IS NULL AND jobs.secret IS NULL
           AND jobs.retry -> 'lost' IS DISTINCT FROM 'false'
           AND NOT EXISTS (SELECT FROM job_inputs WHERE job_id = jobs.id) AS is_ready
      FROM jobs JOIN taken ON jobs.id = taken.job_id AND jobs.queue_id = taken.taken_id
     WHERE %(name)s::text IS NOT NULL AND jobs.state IN ('queued', 'running', 'canceling')
       FOR UPDATE OF jobs SKIP LOCKED
), new AS (
    UPDATE jobs
       SET attempt = old.attempt + 1, worker = %(name)s,
           server = CASE WHEN is_ready THEN %(server)s ELSE server END,
           submitted_at = CASE WHEN is_ready THEN now() ELSE submitted_at END,
           submissions = submissions + is_ready::int
      FROM old WHERE jobs.id = old.id
    RETURNING jobs.*, is_ready
), logged AS (
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, kind, reason)
    SELECT id, state, state, attempt, worker, server, 'claimed', 'a worker took it' FROM new
)
SELECT taken.taken_id, taken.queue_name, taken.job_id, taken.is_suspect, is_ready,
-- include: jobs.columns
, prompt, files, output_folder, document, targets, secret, extra_data, in_history IS NOT NULL AS is_native,
-- include: jobs.client_id
  FROM taken LEFT JOIN new ON true;

-- name: take_submitted
-- Any job that waits for a worker, and not for a server: it is on one, or is to go to none any more. Few are, and as an
-- array they are looked up one by one: with a join, all that waits is looked through for them.
WITH head AS (
    SELECT waiting.id
      FROM procrastinate_jobs AS waiting
     WHERE waiting.id = ANY (ARRAY(
        -- What is on a server that another live worker looks after is for that one: we may not even reach it.
        SELECT queue_id FROM jobs
         WHERE submitted_at IS NOT NULL AND state IN ('queued', 'running', 'canceling')
           AND NOT EXISTS (SELECT FROM servers
                            WHERE servers.url = jobs.server AND servers.worker <> %(name)s
                              AND servers.seen_at > now() - make_interval(secs => %(seconds)s::float8))
        UNION ALL
        SELECT queue_id FROM jobs WHERE state = 'canceling' AND submitted_at IS NULL
     ))
       AND waiting.status = 'todo'
       AND (%(alone)s OR NOT waiting.args ? 'suspect')
       AND (waiting.scheduled_at IS NULL OR waiting.scheduled_at <= now() OR waiting.id = ANY (ARRAY(
        -- What is put off because others do not reach its server is not for the worker that looks after that.
        SELECT queue_id FROM jobs JOIN servers ON servers.url = jobs.server AND servers.worker = %(name)s
         WHERE submitted_at IS NOT NULL AND jobs.state IN ('queued', 'running', 'canceling')
           AND (SELECT kind FROM job_transitions WHERE job_id = jobs.id ORDER BY event_id DESC LIMIT 1)
               = 'out_of_reach'
       )))
     LIMIT 1
       FOR UPDATE OF waiting SKIP LOCKED
)
UPDATE procrastinate_jobs AS job
   SET status = 'doing', worker_id = %(worker)s
  FROM head
 WHERE job.id = head.id
RETURNING job.id AS taken_id, job.queue_name, (job.args ->> 'job_id')::uuid AS job_id, job.args ? 'suspect' AS is_suspect;

-- name: finish
DELETE FROM procrastinate_jobs WHERE id = %(queue_id)s;

-- name: give_back
WITH given AS (
    UPDATE procrastinate_jobs
       SET status = 'todo',
           worker_id = NULL,
           attempts = attempts + 1,
           scheduled_at = CASE WHEN %(after)s::float8 > 0 THEN now() + make_interval(secs => %(after)s::float8) END,
           args = args - 'avoids' - 'avoids_until' || CASE WHEN %(avoids)s::text IS NULL THEN '{}' ELSE
               jsonb_build_object('avoids', %(avoids)s::text, 'avoids_until',
                                  EXTRACT(epoch FROM now()) + %(avoids_for)s::float8) END
               || CASE WHEN %(suspect)s::bool THEN '{"suspect": true}' ELSE '{}'::jsonb END
     WHERE id = %(queue_id)s AND status = 'doing'
    RETURNING id
)
SELECT pg_notify('procrastinate_any_queue_v1', '{}') FROM given;

-- name: withdraw
DELETE FROM procrastinate_jobs WHERE id = %(queue_id)s AND status = 'todo';

-- name: waiting_ahead
WITH queued AS (SELECT id, priority FROM procrastinate_jobs WHERE id = %(queue_id)s AND status = 'todo')
SELECT (
-- include: queue.ahead
) AS ahead
  FROM queued;

-- name: ahead
-- How many are taken before one that is queued, no further than it matters. In two halves, in the order of the
-- index: asked for with an OR, or in any order, all that waits is looked through.
SELECT count(*) FROM (
    (SELECT FROM procrastinate_jobs AS other
      WHERE other.status = 'todo' AND other.priority > queued.priority
      ORDER BY other.priority DESC, other.id LIMIT 1000)
    UNION ALL
    (SELECT FROM procrastinate_jobs AS other
      WHERE other.status = 'todo' AND other.priority = queued.priority AND other.id < queued.id
      ORDER BY other.priority DESC, other.id LIMIT 1000)
    LIMIT 1000
) AS counted;

-- name: give_back_stalled
-- A job that ran counts the death of the worker that had claimed it, by its attempt and its worker, which takes that
-- back if it is alive after all (spare). From the second on the job is suspect, and taken by a worker that has no other;
-- after the third anybody takes it, to find out what has become of it.
WITH stalled AS (
    SELECT job.id, ran.attempt::text AS attempt, ran.worker, COALESCE(ran.deaths, 0) AS deaths,
           ran.state = 'running' AND ran.submitted_at IS NOT NULL AND ran.worker IS NOT NULL
           -- Who has stopped in order has no number any more, and was not killed by anything.
           AND worker.id IS NOT NULL AND NOT COALESCE(args -> 'deaths' ? ran.attempt::text, false) AS counts
      FROM procrastinate_jobs AS job
      LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
      LEFT JOIN jobs AS ran ON ran.queue_id = job.id AND ran.state IN ('queued', 'running', 'canceling')
     WHERE job.status = 'doing'
       AND (worker.id IS NULL OR (
-- include: queue.is_dead
       ))
       FOR UPDATE OF job SKIP LOCKED
), given AS (
    UPDATE procrastinate_jobs AS job
       SET status = 'todo', worker_id = NULL, attempts = attempts + 1,
           args = args - 'suspect'
               || CASE deaths + counts::int WHEN 2 THEN '{"suspect": true}' ELSE '{}'::jsonb END
               || CASE WHEN counts THEN jsonb_build_object('deaths', COALESCE(args -> 'deaths', '{}')
                                                                     || jsonb_build_object(attempt, worker))
                       ELSE '{}' END
      FROM stalled
     WHERE job.id = stalled.id
    RETURNING (job.args ->> 'job_id')::uuid AS job_id, counts
), died AS (
    UPDATE jobs SET deaths = jobs.deaths + 1
      FROM given
     WHERE jobs.id = given.job_id AND counts
       -- Whoever ends a job locks it first and the engine's row afterwards: nobody may wait for it here.
       AND jobs.id IN (SELECT id FROM jobs WHERE id = given.job_id FOR UPDATE SKIP LOCKED)
), forgotten AS (
    DELETE FROM procrastinate_workers AS worker WHERE
-- include: queue.is_dead
    RETURNING worker.id, pg_notify('comfywire_servers', '')  -- those that were added are for others now
), named AS (
    UPDATE worker_names SET died_at = now() FROM forgotten WHERE worker_names.number = forgotten.id
), told AS (
    SELECT count(*) AS workers FROM forgotten
)
SELECT job_id, pg_notify('procrastinate_any_queue_v1', '{}') FROM given, told;

-- name: is_dead
worker.last_heartbeat < now() - make_interval(secs => %(seconds)s::float8)
AND (%(silent)s::bigint[] IS NULL OR worker.id = ANY(%(silent)s::bigint[]))

-- name: spare
-- A worker that was taken for dead is alive: it was frozen, or did not reach the database. No job has killed it.
WITH mine AS (
    SELECT job.id, (job.args ->> 'job_id')::uuid AS job_id, array_agg(told.attempt) AS mistaken
      FROM procrastinate_jobs AS job, jsonb_each_text(job.args -> 'deaths') AS told (attempt, worker)
     WHERE told.worker = %(name)s
     GROUP BY job.id
), spared AS (
    UPDATE jobs SET deaths = GREATEST(deaths - cardinality(mistaken), 0)
      FROM mine WHERE jobs.id = mine.job_id AND jobs.queue_id = mine.id
    RETURNING mine.id, mistaken, deaths
)
UPDATE procrastinate_jobs AS job
   SET args = jsonb_set(CASE WHEN deaths < 2 THEN args - 'suspect' ELSE args END,
                        '{deaths}', (args -> 'deaths') - mistaken)
  FROM spared WHERE job.id = spared.id;

-- name: has_suspect
SELECT FROM jobs JOIN procrastinate_jobs AS waiting ON waiting.id = jobs.queue_id AND waiting.status = 'todo'
 WHERE jobs.deaths > 1 AND jobs.state IN ('queued', 'running', 'canceling') AND waiting.args ? 'suspect'
   AND (waiting.scheduled_at IS NULL OR waiting.scheduled_at <= now())
   AND CASE WHEN jobs.submitted_at IS NULL THEN waiting.queue_name = ANY(%(needs)s::text[])
            ELSE NOT EXISTS (SELECT FROM servers
                              WHERE servers.url = jobs.server AND servers.worker <> %(name)s
                                AND servers.seen_at > now() - make_interval(secs => %(seconds)s::float8)) END
 LIMIT 1;

-- name: register
-- A worker has its row until it leaves its servers (servers.leave); one that begins anew has another number.
INSERT INTO worker_names AS told (name, number) SELECT %(name)s, worker_id FROM procrastinate_register_worker_v1()
ON CONFLICT (name) DO UPDATE SET number = excluded.number, died_at = NULL
RETURNING number AS worker_id;

-- name: beat
-- Say that a worker is alive, and hear of all: who has been silent for too long is dead.
WITH mine AS (
    UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(worker)s RETURNING id
)
SELECT id, EXTRACT(epoch FROM last_heartbeat)::float8 AS heard_at, id IN (SELECT id FROM mine) AS is_mine
  FROM procrastinate_workers;

-- name: held_by
-- What the engine says that a worker has.
SELECT id, queue_name, args ->> 'job_id' AS job_id
  FROM procrastinate_jobs
 WHERE status = 'doing' AND worker_id = %(worker)s;

-- name: begin_rounds_anew
-- Rounds only grow. Long before a band is full, and while nothing waits in it, they begin at 1 again.
DELETE FROM shares
 WHERE priority IN (SELECT priority FROM shares GROUP BY priority HAVING max(last_round) > %(band)s / 2)
   AND NOT EXISTS (
    SELECT FROM procrastinate_jobs AS job
     WHERE job.status = 'todo'
       AND job.priority <= shares.priority * %(band)s
       AND job.priority > (shares.priority - 1) * %(band)s
   );
