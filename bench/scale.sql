-- What bench/scale_fill.py fills a database with, in one transaction: as the service would have left it.

-- name: basics
INSERT INTO keys (name, prefix, scopes) SELECT 'bench ' || i, '', '{submit,read}' FROM generate_series(1, %(keys)s) AS i;
INSERT INTO workflows (name, version, key_id, prompt, parameters)
SELECT 'workflow-' || i, version, (SELECT id FROM keys LIMIT 1), %(prompt)s, '{}'
  FROM generate_series(1, %(names)s) AS i, generate_series(1, %(versions)s) AS version;
CREATE TEMPORARY TABLE key_list AS SELECT row_number() OVER (ORDER BY id) - 1 AS place, id FROM keys;

-- name: ended
-- Over thirty days, in an order of their own: a key's jobs lie among those of all others, as they do.
INSERT INTO jobs (id, key_id, state, prompt, labels, workflow_name, workflow_version, need, attempt, submissions, worker,
                  server, submitted_at, created_at, started_at, completed_at, expires_at, bound, in_history, webhook_url)
SELECT gen_random_uuid(), key.id,
       CASE WHEN i %% 50 = 7 THEN 'failed' WHEN i %% 100 = 9 THEN 'canceled' ELSE 'succeeded' END::job_state,
       %(prompt)s,
       CASE WHEN i %% 10 = 0 THEN jsonb_build_object('project', 'p' || i %% 997) ELSE '{}' END,
       CASE WHEN i %% 2 = 0 THEN 'workflow-' || 1 + i %% %(names)s END, CASE WHEN i %% 2 = 0 THEN 1 END,
       (%(needs)s::text[])[1 + i %% %(need_count)s], 1, 1, 'bench', 'http://gpu-' || i %% 16 || ':8188',
       made.at + interval '1 second', made.at, made.at + interval '2 seconds', made.at + interval '9 seconds',
       made.at + interval '400 days',
       CASE WHEN i %% 2 = 0 THEN jsonb_build_object('prompt', 'a picture of thing ' || i %% 5003, 'seed', i) END,
       CASE WHEN i %% 2 = 1 THEN true END,
       CASE WHEN i <= %(deliveries)s THEN 'https://example.com/hook' END
  FROM generate_series(1, %(ended)s) AS i
  JOIN key_list AS key ON key.place = (i::bigint * 7919) %% %(keys)s
 CROSS JOIN LATERAL (SELECT now() - interval '30 days' * (i::float8 / (%(ended)s + 1)) - interval '1 minute' AS at) AS made;

INSERT INTO native_prompts (job_id, client_id, number, outputs, entry)
SELECT id, 'program', nextval('native_numbers'), '{3}', jsonb_build_object(
         'outputs', jsonb_build_object('3', jsonb_build_object('images', jsonb_build_array(jsonb_build_object(
             'filename', 'scale_00001_.png', 'subfolder', '', 'type', 'output')))),
         'status', jsonb_build_object('status_str', 'success', 'completed', true, 'messages', '[]'::jsonb),
         'meta', '{}'::jsonb)
  FROM jobs WHERE in_history;

INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, at, kind, reason)
SELECT job.id, step.from_state, CASE WHEN step.kind = 'ended' THEN job.state ELSE step.to_state END, step.attempt,
       CASE WHEN step.attempt = 1 THEN job.worker END, CASE WHEN step.attempt = 1 THEN job.server END,
       job.created_at + step.later, step.kind, step.reason
  FROM (SELECT * FROM jobs WHERE completed_at IS NOT NULL ORDER BY created_at) AS job
 CROSS JOIN (VALUES (NULL::job_state, 'queued'::job_state, 0, interval '0', 'submitted'::transition_kind, 'submitted'),
                    ('queued', 'queued', 1, interval '1 second', 'claimed', 'a worker took it'),
                    ('queued', 'running', 1, interval '2 seconds', 'began', 'a ComfyUI runs it'),
                    ('running', NULL, 1, interval '9 seconds', 'ended', 'it ended'))
       AS step (from_state, to_state, attempt, later, kind, reason);

UPDATE tallied SET event_id = (SELECT COALESCE(max(event_id), 0) FROM job_transitions);
INSERT INTO tallies (name, label, bucket, count, total)
SELECT 'submitted', '', 0, count(*), 0 FROM jobs UNION ALL
SELECT 'claimed', '', 0, count(*), 0 FROM jobs UNION ALL
SELECT 'ended', state::text, 0, count(*), 0 FROM jobs GROUP BY state UNION ALL
SELECT 'wait', '', 5, count(*), 2 * count(*) FROM jobs UNION ALL
SELECT 'run', state::text, 7, count(*), 7 * count(*) FROM jobs GROUP BY state;

-- name: assets
-- Nine in ten are outputs, the others uploads; each has bytes of its own.
CREATE TEMPORARY TABLE made AS
SELECT job.id AS job_id, job.key_id, job.created_at, md5('output ' || row_number() OVER ()) || repeat('0', 32) AS hash
  FROM (SELECT * FROM jobs WHERE state = 'succeeded' ORDER BY created_at DESC LIMIT %(assets)s * 9 / 10) AS job;
CREATE TEMPORARY TABLE given AS
SELECT (SELECT id FROM key_list WHERE place = i %% %(keys)s) AS key_id, 'upload-' || i || '.png' AS file_path,
       md5('upload ' || i) || repeat('0', 32) AS hash
  FROM generate_series(1, %(assets)s / 10) AS i;
INSERT INTO blobs (hash, size_bytes, touched_at)
SELECT hash, 300000, now() - interval '1 day' FROM (SELECT hash FROM made UNION ALL SELECT hash FROM given) AS every;
INSERT INTO assets (key_id, hash, content_type, file_path, job_id, created_at)
SELECT key_id, hash, 'image/png', 'scale_00001_.png', job_id, created_at FROM made;
INSERT INTO assets (key_id, hash, content_type, file_path, named_at)
SELECT key_id, hash, 'image/png', file_path, now() FROM given;
INSERT INTO outputs (job_id, position, node_id, class_type, key, kind, name, asset_id)
SELECT job_id, 0, '3', 'SaveImage', 'images', 'image', 'scale_00001_.png', id FROM assets WHERE job_id IS NOT NULL;
INSERT INTO deliveries (job_id, key_id, type, url, state, tries, created_at, delivered_at)
SELECT id, key_id, 'job.' || state, webhook_url, 'delivered', 1, completed_at, completed_at
  FROM jobs WHERE webhook_url IS NOT NULL;
INSERT INTO delivery_tries (delivery_id, try, at, status, seconds) SELECT id, 1, delivered_at, 200, 0.1 FROM deliveries;

-- name: waiting
INSERT INTO needs (need, requirement) SELECT * FROM unnest(%(needs)s::text[], %(requirements)s::jsonb[]);
CREATE TEMPORARY TABLE queued AS
SELECT gen_random_uuid() AS job_id, key.id AS key_id, (%(needs)s::text[])[1 + i %% %(need_count)s] AS need,
       1 + i / %(keys)s AS round, now() - interval '50 seconds' * (1 - i::float8 / %(waiting)s) AS at, i
  FROM generate_series(0, %(waiting)s - 1) AS i JOIN key_list AS key ON key.place = i %% %(keys)s;
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args)
SELECT need, 'comfywire', -round, jsonb_build_object('job_id', job_id::text) FROM queued ORDER BY i;
INSERT INTO shares (priority, key_id, last_round) SELECT 0, key_id, max(round) FROM queued GROUP BY key_id;
INSERT INTO jobs (id, key_id, prompt, need, queue_id, created_at, expires_at, in_history)
SELECT job_id, key_id, %(prompt)s, queued.need, engine.id, at, at + interval '7 days',
       CASE WHEN i %% 2 = 1 THEN true END
  FROM queued JOIN procrastinate_jobs AS engine ON (engine.args ->> 'job_id')::uuid = job_id;
INSERT INTO native_prompts (job_id, client_id, number, outputs)
SELECT id, 'program', nextval('native_numbers'), '{3}' FROM jobs WHERE in_history AND completed_at IS NULL;
INSERT INTO job_transitions (job_id, to_state, attempt, at, kind, reason)
SELECT id, 'queued', 0, created_at, 'submitted', 'submitted' FROM jobs WHERE completed_at IS NULL ORDER BY created_at;
