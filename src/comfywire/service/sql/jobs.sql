-- Jobs: one statement a step. Every change names the attempt, and is refused (no row) for an older one.

-- name: columns
-- What a JobRecord holds: not the prompt, which may be large, and which few want to see.
id, key_id, state, priority, labels, need, queue_id, attempt, submissions, worker, server, submitted_at, progress,
progress_event, error, outputs_reused, warnings, webhook_url, workflow_name, workflow_version, retry, created_at,
started_at, completed_at, queue_until, expires_at, batch_id, batch_index, run_timeout,
deaths, webhook_events

-- name: submit
-- A job is recorded and queued in one statement. No row: its key may not run as many as it likes, or nearly half of
-- what may wait does (headroom.py); then somebody has to look closer, one at a time (lock_key), and say what becomes of
-- it (`admitted`).
WITH known AS (
    SELECT max_running, COALESCE(max_queued, %(most)s::int) / 2 AS half FROM keys WHERE id = %(key_id)s
), room AS (
    SELECT max_running,
           CASE WHEN half IS NOT NULL AND NOT %(has_room)s AND %(admitted)s::bool IS NULL THEN half - %(slack)s::int - (
               SELECT count(*)::int
                 FROM (SELECT FROM jobs WHERE key_id = %(key_id)s AND state = 'queued' LIMIT known.half) AS counted
           ) END AS spare
      FROM known
), allowed AS (
    SELECT COALESCE(%(admitted)s::bool, true) AS is_admitted, spare
      FROM room
     WHERE %(admitted)s::bool IS NOT NULL OR (max_running IS NULL AND COALESCE(spare, 1) > 0)
),
-- include: queue.put_steps
, touched AS (
    -- A need that is there is marked as wanted now and then, so that nobody forgets it before this job is seen
    -- (forget_needs); not each time, or all who submit the same would wait for each other.
    UPDATE needs SET created_at = now()
      FROM allowed
     WHERE need = %(need)s AND created_at < now() - interval '30 minutes'
    RETURNING need
), noted AS (
    INSERT INTO needs (need, requirement)
    SELECT %(need)s, %(requirement)s FROM allowed WHERE NOT EXISTS (SELECT FROM touched)
    ON CONFLICT DO NOTHING
    RETURNING pg_notify('comfywire_needs', need)
), job AS (
    INSERT INTO jobs (id, key_id, priority, prompt, files, document, targets, labels, workflow_name, workflow_version,
                      secret, retry, need, webhook_url, queue_timeout, queue_until, expires_at, queue_id,
                      batch_id, batch_index, output_folder, run_timeout, bound, extra_data, in_history,
                      webhook_events)
    SELECT %(job_id)s, %(key_id)s, %(priority)s, %(prompt)s, %(files)s, %(document)s, %(targets)s, %(labels)s,
           %(workflow_name)s, %(workflow_version)s, %(secret)s, %(retry)s, %(need)s, %(webhook_url)s,
           %(queue_timeout)s::float8, now() + make_interval(secs => %(queue_timeout)s::float8),
           now() + make_interval(secs => %(retention)s::float8), (SELECT id FROM queued),
           %(batch_id)s, %(batch_index)s, %(output_folder)s, %(run_timeout)s::float8, %(bound)s,
           %(extra_data)s, %(in_history)s::bool, %(webhook_events)s::text[]
      FROM allowed
    RETURNING *
), logged AS (
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, kind, reason)
    SELECT id, NULL, 'queued', 0, 'submitted', 'submitted' FROM job
), reading AS (
    INSERT INTO job_inputs (job_id, asset_id) SELECT id, unnest(%(inputs)s::uuid[]) FROM job
)
SELECT
-- include: jobs.columns
, bound AS inputs, (SELECT count(*) FROM noted) AS notes, (SELECT spare FROM allowed) AS spare, (SELECT (
-- include: queue.ahead
) FROM queued) AS position
  FROM job;

-- name: add_native
-- Beside the job, in the transaction that records it: `submit` has no room for it (psycopg's limit, sql/__init__.py).
INSERT INTO native_prompts (job_id, client_id, number, outputs, node_errors)
VALUES (%(job_id)s, %(client_id)s,
        COALESCE(%(number)s::float8, nextval('native_numbers') * CASE WHEN %(is_front)s THEN -1 ELSE 1 END),
        %(outputs)s::text[], %(node_errors)s)
RETURNING number, node_errors;

-- name: lock_key
-- By itself, before anything is counted: a statement does not see what was committed while it waited for a lock.
SELECT max_queued, max_running FROM keys WHERE id = %(key_id)s FOR NO KEY UPDATE;

-- name: count_queued
-- No further than it matters.
SELECT count(*) AS count
  FROM (SELECT FROM jobs WHERE key_id = %(key_id)s AND state = 'queued' LIMIT %(most)s) AS counted;

-- name: count_admitted
-- The jobs of a key that the engine has.
SELECT count(*) AS count FROM jobs
 WHERE key_id = %(key_id)s AND state IN ('queued', 'running', 'canceling') AND queue_id IS NOT NULL;

-- name: held
-- The next jobs of a key that wait for others of the same key to end.
SELECT id, need, priority
  FROM jobs
 WHERE key_id = %(key_id)s AND state = 'queued' AND queue_id IS NULL
 ORDER BY priority DESC, created_at
 LIMIT %(most)s
   FOR UPDATE SKIP LOCKED;

-- name: keys_that_hold
SELECT DISTINCT key_id FROM jobs WHERE state = 'queued' AND queue_id IS NULL;

-- name: admit
UPDATE jobs SET queue_id = %(queue_id)s WHERE id = %(job_id)s;

-- name: get
SELECT
-- include: jobs.columns
  FROM jobs WHERE id = %(job_id)s AND (%(key_id)s::uuid IS NULL OR key_id = %(key_id)s);

-- name: graph
SELECT prompt, COALESCE(document, extra_data #> '{extra_pnginfo,workflow}') AS document, targets, secret
  FROM jobs WHERE id = %(job_id)s;

-- name: look
-- A job, what was set to what in its prompt, and what is new of its audit and its outputs, in one snapshot. After a change
-- of state all outputs are told again: those of an attempt that was lost are forgotten.
SELECT
-- include: jobs.columns
       , CASE WHEN %(inputs)s THEN bound END AS inputs, COALESCE(audit.told, '[]') AS transitions,
       (SELECT COALESCE(json_agg(output ORDER BY output.position), '[]') FROM (
-- include: jobs.output_columns
         WHERE output.job_id = jobs.id
           AND output.event_id > CASE WHEN audit.told IS NULL THEN %(after_output)s::bigint ELSE 0 END) AS output
       ) AS outputs
  FROM jobs, LATERAL (SELECT json_agg(change ORDER BY change.event_id) AS told FROM (
-- include: jobs.transition_columns
         WHERE job_id = jobs.id AND event_id > %(after_transition)s::bigint) AS change) AS audit
 WHERE id = %(job_id)s AND (%(key_id)s::uuid IS NULL OR key_id = %(key_id)s);

-- name: list
SELECT
-- include: jobs.columns
  FROM jobs
 WHERE (%(key_id)s::uuid IS NULL OR key_id = %(key_id)s)
   AND (%(labels)s = '{}'::jsonb OR (labels @> %(labels)s AND labels <> '{}'))  -- as jobs_labels has them
   AND (%(states)s::job_state[] IS NULL OR state = ANY(%(states)s::job_state[]))
   AND (%(workflow)s::text IS NULL OR workflow_name = %(workflow)s)
   AND (%(batch)s::uuid IS NULL OR batch_id = %(batch)s)
   AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
   AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
   AND (%(words)s::text IS NULL OR EXISTS (
        SELECT FROM jsonb_each_text(CASE jsonb_typeof(bound) WHEN 'object' THEN bound || labels ELSE labels END)
         WHERE strpos(lower(value), %(words)s) > 0))
   AND (%(kinds)s::text[] IS NULL OR EXISTS (
        SELECT FROM outputs LEFT JOIN assets ON assets.id = outputs.asset_id
         WHERE outputs.job_id = jobs.id AND (outputs.kind = ANY(%(kinds)s::text[])) <> %(is_rest)s::bool
           AND (%(film)s::bool IS NULL OR outputs.kind <> 'animation'
                OR starts_with(COALESCE(assets.content_type, ''), 'video/') = %(film)s)
        OFFSET 0))  -- without it PostgreSQL may make a list of everybody's outputs first
   AND (%(before)s::timestamptz IS NULL OR (created_at, id) < (%(before)s, %(before_id)s))
 ORDER BY created_at DESC, id DESC
 LIMIT %(limit)s;

-- name: relabel
UPDATE jobs SET labels = jsonb_strip_nulls(labels || %(changes)s) WHERE id = %(job_id)s;

-- name: output_columns
SELECT output.job_id, output.position, output.event_id, output.node_id, output.class_type, output.key, output.kind,
       output.name, output.asset_id, output.value, asset.hash, blob.size_bytes, asset.content_type, seen.width, seen.height
  FROM outputs AS output
  LEFT JOIN assets AS asset ON asset.id = output.asset_id
  LEFT JOIN blobs AS blob ON blob.hash = asset.hash
  LEFT JOIN LATERAL (SELECT width, height FROM thumbnails WHERE hash = asset.hash LIMIT 1) AS seen ON true

-- name: outputs
-- include: jobs.output_columns
 WHERE output.job_id = %(job_id)s AND output.event_id > %(after)s
 ORDER BY output.position;

-- name: outputs_of
-- include: jobs.output_columns
 WHERE output.job_id = ANY(%(jobs)s::uuid[])
 ORDER BY output.job_id, output.position;

-- name: output_bytes
-- What the outputs of jobs take in a list, about. Those of one job that are too large as they are packed are not unpacked.
SELECT job_id, CASE WHEN packed > %(most)s THEN packed ELSE
       (SELECT count(*) * %(each)s + COALESCE(sum(octet_length(value::text)), 0)
          FROM outputs WHERE outputs.job_id = made.job_id) END::bigint AS bytes
  FROM (SELECT job_id, count(*) * %(each)s + COALESCE(sum(pg_column_size(value)), 0) AS packed
          FROM outputs WHERE job_id = ANY(%(jobs)s::uuid[]) GROUP BY job_id) AS made;

-- name: inputs_of
SELECT id, bound FROM jobs WHERE id = ANY(%(jobs)s::uuid[]);

-- name: short_inputs_of
-- Without those that take more bytes than a list should have of each job. First by their size in the table, packed, so
-- that those are not even read which are too large in any case.
SELECT id, CASE WHEN NOT is_long THEN bound END AS bound, COALESCE(is_long, false) AS is_left_out
  FROM (SELECT id, bound, CASE WHEN pg_column_size(bound) > %(most)s THEN true
                               ELSE octet_length(bound::text) > %(most)s END AS is_long
          FROM jobs WHERE id = ANY(%(jobs)s::uuid[])) AS job;

-- name: transition_columns
SELECT event_id, job_id, from_state, to_state, attempt, worker, server, at, reason
  FROM job_transitions

-- name: transitions
-- include: jobs.transition_columns
 WHERE job_id = %(job_id)s AND event_id > %(after)s ORDER BY event_id;

-- name: claim
-- A worker that has taken a job from the engine claims it: everybody before is fenced off from here on.
WITH old AS (
    SELECT id, state, attempt FROM jobs
     WHERE id = %(job_id)s AND queue_id = %(queue_id)s AND state = ANY(%(from)s::job_state[])
       FOR UPDATE
), new AS (
    UPDATE jobs SET attempt = old.attempt + 1, worker = %(worker)s
      FROM old WHERE jobs.id = old.id
    RETURNING jobs.*
), logged AS (
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, kind, reason)
    SELECT id, state, state, attempt, worker, server, 'claimed', 'a worker took it' FROM new
)
SELECT
-- include: jobs.columns
, prompt, files, output_folder, document, targets, secret, extra_data, in_history IS NOT NULL AS is_native,
-- include: jobs.client_id
  FROM new;

-- name: client_id
-- Which sockets want to hear of a job that was just taken.
CASE WHEN in_history IS NOT NULL THEN (SELECT client_id FROM native_prompts WHERE job_id = new.id) END AS client_id

-- name: native_interrupted
-- For who interrupts a prompt that may not have begun: ComfyUI's own history is to tell of its end all the same.
UPDATE native_prompts SET entry = '{}' WHERE job_id = %(job_id)s AND entry IS NULL;

-- name: native_forget
-- Of an attempt that is made once more: what it leaves without beginning is no trace.
UPDATE native_prompts SET entry = NULL WHERE job_id = %(job_id)s;

-- name: native_entry
-- How the prompt of a job of ComfyUI's own API ended there, before the job ends: whoever hears of that finds it.
UPDATE native_prompts SET entry = %(entry)s
  FROM jobs WHERE jobs.id = %(job_id)s AND attempt = %(attempt)s AND job_id = jobs.id
RETURNING job_id;

-- name: will_submit
-- Before the POST, so that whoever continues knows where to ask. Said twice, it counts once.
UPDATE jobs
   SET server = %(server)s, submitted_at = now(), submissions = submissions + (submitted_at IS NULL)::int
 WHERE id = %(job_id)s AND attempt = %(attempt)s AND state = ANY(%(open)s::job_state[])
RETURNING state;

-- name: hand_back
-- A worker that stops leaves the prompt where it is: the next one asks that server first.
WITH new AS (
    UPDATE jobs SET worker = NULL
     WHERE id = %(job_id)s AND attempt = %(attempt)s AND state = ANY(%(open)s::job_state[])
    RETURNING *
)
INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, kind, reason)
SELECT id, state, state, attempt, %(worker)s, server, %(kind)s::transition_kind, %(reason)s FROM new
RETURNING job_id;

-- name: not_submitted
UPDATE jobs SET submitted_at = NULL, submissions = submissions - (submitted_at IS NOT NULL)::int
 WHERE id = %(job_id)s AND attempt = %(attempt)s
RETURNING state;

-- name: times
-- How often something was done to a job since somebody last wanted it to be run.
SELECT count(*) AS count
  FROM job_transitions
 WHERE job_id = %(job_id)s AND kind = %(kind)s::transition_kind
   AND event_id > (SELECT max(event_id) FROM job_transitions
                    WHERE job_id = %(job_id)s AND kind IN ('submitted', 'retried'));

-- name: out_of_reach
-- For how long workers have said so one after the other of the server that a job is on: a claim between them that did
-- not end so reached it.
SELECT COALESCE(EXTRACT(epoch FROM now() - min(at)), 0)::float8 AS seconds
  FROM (SELECT attempt, min(at) AS at, row_number() OVER (ORDER BY attempt DESC) AS place
          FROM job_transitions
         WHERE job_id = %(job_id)s AND kind = 'out_of_reach'
         GROUP BY attempt) AS told
 WHERE attempt = %(attempt)s - place;

-- name: still_mine
SELECT state FROM jobs WHERE id = %(job_id)s AND attempt = %(attempt)s;

-- name: running_for
SELECT COALESCE(EXTRACT(epoch FROM now() - started_at), 0)::float8 AS seconds
  FROM jobs WHERE id = %(job_id)s AND attempt = %(attempt)s;

-- name: change
-- The one statement that changes a state. No row: the attempt is old, or the change is not legal any more.
WITH old AS (
    SELECT id, state, worker, server, queue_id FROM jobs
     WHERE id = %(job_id)s
       AND (%(attempt)s::int IS NULL OR attempt = %(attempt)s)
       AND state = ANY(%(from)s::job_state[])
       FOR UPDATE
), new AS (
    UPDATE jobs
       SET state = %(to)s::job_state,
           error = %(error)s::jsonb,
           warnings = CASE WHEN %(afresh)s THEN '{}' ELSE COALESCE(%(warnings)s::text[], warnings) END,
           outputs_reused = CASE WHEN %(afresh)s THEN NULL ELSE COALESCE(%(outputs_reused)s::bool, outputs_reused) END,
           progress = CASE WHEN %(to)s::text = 'queued' THEN NULL
                           WHEN %(to)s::text = 'succeeded' THEN
-- include: jobs.whole_progress
                           ELSE progress END,
           progress_event = CASE WHEN %(to)s::text = 'succeeded' AND progress IS NOT NULL THEN nextval('event_ids')
                                 ELSE progress_event END,
           started_at = CASE WHEN %(to)s::text = 'queued' THEN NULL
                             WHEN %(to)s::text = 'running' THEN COALESCE(started_at, now())
                             ELSE started_at END,
           completed_at = CASE WHEN %(is_over)s THEN now() END,
           -- While a job is open, what lies between these two is for how long it is kept after its end.
           expires_at = CASE WHEN %(is_over)s THEN now() + (expires_at - created_at)
                             WHEN %(afresh)s THEN created_at + (expires_at - completed_at)
                             ELSE expires_at END,
           queue_until = CASE WHEN %(afresh)s THEN now() + make_interval(secs => queue_timeout) ELSE queue_until END,
           secret = CASE WHEN %(is_over)s THEN NULL ELSE secret END,
           worker = CASE WHEN %(to)s::text = 'queued' THEN NULL ELSE jobs.worker END,
           server = CASE WHEN %(to)s::text = 'queued' THEN NULL ELSE jobs.server END,
           submitted_at = CASE WHEN %(to)s::text = 'queued' THEN NULL ELSE submitted_at END,
           submissions = CASE WHEN %(afresh)s THEN 0 ELSE submissions END,
           deaths = CASE WHEN %(afresh)s THEN 0 ELSE deaths END,
           queue_id = CASE WHEN %(is_over)s THEN NULL ELSE jobs.queue_id END
      FROM old WHERE jobs.id = old.id
    RETURNING jobs.*
), logged AS (
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, kind, reason)
    SELECT new.id, old.state, new.state, new.attempt, old.worker, old.server, %(kind)s::transition_kind, %(reason)s
      FROM new JOIN old USING (id)
    RETURNING job_id
), forgotten AS (
    -- The engine's row goes with the end, in the same breath.
    DELETE FROM procrastinate_jobs USING old WHERE %(is_over)s AND procrastinate_jobs.id = old.queue_id
), unseen AS (
    DELETE FROM previews USING old WHERE %(is_over)s AND previews.job_id = old.id
), told AS (
    INSERT INTO deliveries (job_id, type, url)
    SELECT id, 'job.' || CASE WHEN %(is_over)s THEN state::text ELSE 'started' END, webhook_url
      FROM new
     WHERE webhook_url IS NOT NULL
       AND (%(is_over)s OR (%(to)s::text = 'running' AND 'job.started' = ANY(webhook_events)))
    RETURNING pg_notify('comfywire_webhooks', job_id::text)
), outdated AS (
    DELETE FROM deliveries USING new
     WHERE %(is_over)s AND 'job.progress' = ANY(new.webhook_events)
       AND deliveries.job_id = new.id AND deliveries.type = 'job.progress' AND deliveries.state = 'waiting'
)
SELECT
-- include: jobs.columns
, (SELECT max_running FROM keys WHERE keys.id = new.key_id) AS max_running, (SELECT count(*) FROM told) AS told,
  (SELECT pg_notify('comfywire_jobs', job_id::text) FROM logged) AS notified
  FROM new;

-- name: began
-- The change that every job makes, without what `change` has for others: a statement opens each table that it names, with
-- all its indexes, whether or not it touches a row.
WITH new AS (
    UPDATE jobs SET state = 'running', error = NULL, started_at = COALESCE(started_at, now())
     WHERE id = %(job_id)s AND attempt = %(attempt)s AND state = 'queued'
    RETURNING id, attempt, worker, server, webhook_url, webhook_events, key_id, in_history
), logged AS (
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, kind, reason)
    SELECT id, 'queued', 'running', attempt, worker, server, %(kind)s::transition_kind, %(reason)s FROM new
), told AS (
    INSERT INTO deliveries (job_id, type, url)
    SELECT id, 'job.started', webhook_url
      FROM new
     WHERE webhook_url IS NOT NULL AND 'job.started' = ANY(webhook_events)
    RETURNING pg_notify('comfywire_webhooks', job_id::text)
)
SELECT pg_notify('comfywire_jobs', id::text), (SELECT count(*) FROM told) AS told,
       CASE WHEN in_history IS NOT NULL
            THEN pg_notify('comfywire_native', concat_ws(' ', 'began', key_id, id)) END AS heard
  FROM new;

-- name: end
-- The end of a job that a worker has, and its last output with it, if it is not recorded yet: `change` and `insert_output`
-- in one. The output comes first, then the progress, then the end: readers are told in the order of these numbers.
WITH old AS (
    SELECT id, key_id, state, worker, server, queue_id FROM jobs
     WHERE id = %(job_id)s AND attempt = %(attempt)s AND state = ANY(%(from)s::job_state[])
       FOR UPDATE
), asset AS (
    INSERT INTO assets (key_id, hash, content_type, file_path, tags, job_id)
    SELECT key_id, %(hash)s, %(content_type)s, %(file_path)s, '{output}', id
      FROM old
     WHERE %(hash)s::text IS NOT NULL
    RETURNING id
), kept AS (
    INSERT INTO outputs AS own (job_id, position, node_id, class_type, key, kind, name, asset_id, value)
    SELECT old.id, %(position)s, %(node_id)s, %(class_type)s, %(key)s, %(kind)s, %(name)s, asset.id, %(value)s
      FROM old LEFT JOIN asset ON true
     WHERE %(position)s::int IS NOT NULL
-- include: jobs.kept_before
    RETURNING job_id
), new AS (
    UPDATE jobs
       SET state = %(to)s::job_state,
           error = %(error)s::jsonb,
           warnings = COALESCE(%(warnings)s::text[], warnings),
           outputs_reused = COALESCE(%(outputs_reused)s::bool, outputs_reused),
           progress = CASE WHEN %(to)s::text = 'succeeded' THEN
-- include: jobs.whole_progress
                           ELSE progress END,
           progress_event = CASE WHEN %(to)s::text = 'succeeded' AND progress IS NOT NULL THEN nextval('event_ids')
                                 ELSE progress_event END,
           completed_at = now(),
           expires_at = now() + (expires_at - created_at),
           secret = NULL,
           queue_id = NULL
      FROM old LEFT JOIN kept ON true
     WHERE jobs.id = old.id
    RETURNING jobs.id, jobs.key_id, jobs.state, jobs.attempt, jobs.webhook_url, jobs.webhook_events
), logged AS (
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, kind, reason)
    SELECT new.id, old.state, new.state, new.attempt, old.worker, old.server, %(change)s::transition_kind, %(reason)s
      FROM new JOIN old USING (id)
), forgotten AS (
    -- The engine's row goes with the end, in the same breath.
    DELETE FROM procrastinate_jobs USING old WHERE procrastinate_jobs.id = old.queue_id
), unseen AS (
    DELETE FROM previews USING new WHERE previews.job_id = new.id
), told AS (
    INSERT INTO deliveries (job_id, type, url)
    SELECT id, 'job.' || state::text, webhook_url FROM new WHERE webhook_url IS NOT NULL
    RETURNING pg_notify('comfywire_webhooks', job_id::text)
), outdated AS (
    DELETE FROM deliveries USING new
     WHERE 'job.progress' = ANY(new.webhook_events)
       AND deliveries.job_id = new.id AND deliveries.type = 'job.progress' AND deliveries.state = 'waiting'
)
SELECT key_id, (SELECT max_running FROM keys WHERE keys.id = new.key_id) IS NOT NULL AS key_is_limited,
       (SELECT count(*) FROM told) AS told, pg_notify('comfywire_jobs', id::text)
  FROM new;

-- name: whole_progress
-- What ended well is whole, and says so before its end: a number of its own, which readers may ask after.
progress || jsonb_build_object(
    'value', 1.0, 'nodes_done', COALESCE(progress -> 'nodes_total', '0'),
    'current_node', NULL, 'current_node_class', NULL,
    'step', NULL, 'steps', NULL, 'message', NULL)

-- name: progress
-- Who wants webhooks of it has one every few seconds at most, and only the newest: one that is being tried, or was not
-- yet, is told of first (a first try takes what is newest then).
WITH new AS (
    UPDATE jobs SET progress = %(progress)s, progress_event = nextval('event_ids')
     WHERE id = %(job_id)s AND attempt = %(attempt)s AND state = ANY(%(open)s::job_state[])
    RETURNING id, webhook_url, webhook_events
), wanted AS (
    SELECT id, webhook_url FROM new
     WHERE webhook_url IS NOT NULL
       AND 'job.progress' = ANY(webhook_events)
       AND NOT EXISTS (
           SELECT FROM deliveries
            WHERE job_id = new.id AND type = 'job.progress'
              AND (created_at > now() - make_interval(secs => %(apart)s::float8)
                   OR (state = 'waiting' AND (tries = 0 OR claimed_until > now()))))
), outdated AS (
    DELETE FROM deliveries USING wanted WHERE deliveries.job_id = wanted.id AND deliveries.type = 'job.progress'
), told AS (
    INSERT INTO deliveries (job_id, type, url) SELECT id, 'job.progress', webhook_url FROM wanted
    RETURNING pg_notify('comfywire_webhooks', job_id::text)
)
SELECT pg_notify('comfywire_jobs', id::text), (SELECT count(*) FROM told) AS told FROM new;

-- name: preview
WITH mine AS (SELECT id FROM jobs WHERE id = %(job_id)s AND attempt = %(attempt)s)
INSERT INTO previews (job_id, node_id, content_type, content)
SELECT id, %(node_id)s, %(content_type)s, %(content)s FROM mine
    ON CONFLICT (job_id) DO UPDATE
   SET node_id = excluded.node_id, content_type = excluded.content_type, content = excluded.content, at = now()
RETURNING pg_notify('comfywire_previews', job_id::text);

-- name: last_preview
SELECT node_id, content_type, content, at FROM previews WHERE job_id = %(job_id)s;

-- name: insert_output
WITH mine AS (
    SELECT id, key_id FROM jobs WHERE id = %(job_id)s AND attempt = %(attempt)s FOR UPDATE
), asset AS (
    -- It goes with its job, so it has no time of its own.
    INSERT INTO assets (key_id, hash, content_type, file_path, tags, job_id)
    SELECT key_id, %(hash)s, %(content_type)s, %(file_path)s, '{output}', id
      FROM mine
     WHERE %(hash)s::text IS NOT NULL
    RETURNING id
)
INSERT INTO outputs AS own (job_id, position, node_id, class_type, key, kind, name, asset_id, value)
SELECT mine.id, %(position)s, %(node_id)s, %(class_type)s, %(key)s, %(kind)s, %(name)s, asset.id, %(value)s
  FROM mine LEFT JOIN asset ON true
-- include: jobs.kept_before
RETURNING pg_notify('comfywire_jobs', job_id::text);

-- name: kept_before
-- An output that a worker kept which died since, or that is said again.
    ON CONFLICT (job_id, position) DO UPDATE
   SET node_id = excluded.node_id, class_type = excluded.class_type, key = excluded.key, kind = excluded.kind,
       name = excluded.name, asset_id = excluded.asset_id, value = excluded.value,
       event_id = CASE WHEN (own.node_id, own.key, own.name, own.value, own.asset_id IS NULL) IS NOT DISTINCT FROM
                            (excluded.node_id, excluded.key, excluded.name, excluded.value, excluded.asset_id IS NULL)
                       THEN own.event_id ELSE excluded.event_id END

-- name: forget_outputs
-- Of an attempt that was lost: the next one makes its own.
DELETE FROM outputs WHERE job_id = %(job_id)s;

-- name: waiting_too_long
-- What was sent to a ComfyUI does not wait here any more, whether or not a worker follows it just now.
SELECT id FROM jobs WHERE state = 'queued' AND queue_until < now() AND submitted_at IS NULL LIMIT 500;

-- name: depth
SELECT state::text AS state, priority, count(*) AS count, min(created_at) AS oldest
  FROM jobs WHERE state IN ('queued', 'running', 'canceling') GROUP BY state, priority;
