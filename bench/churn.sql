-- What a job's rows go through from its submission to its end, for a hundred jobs (scale_fill.churn).
DO $$
DECLARE
    key uuid := (SELECT id FROM keys LIMIT 1);
BEGIN
    TRUNCATE batch;
    INSERT INTO batch SELECT gen_random_uuid(), nextval('procrastinate_jobs_id_seq') FROM generate_series(1, 100);
    INSERT INTO procrastinate_jobs (id, queue_name, task_name, priority, args)
    SELECT queue_id, 'need', 'comfywire', -%(number)s, jsonb_build_object('job_id', id::text) FROM batch;
    INSERT INTO jobs (id, key_id, prompt, need, queue_id, expires_at)
    SELECT id, key, %(prompt)s, 'need', queue_id, now() + interval '7 days' FROM batch;
    INSERT INTO job_transitions (job_id, to_state, attempt, kind, reason)
    SELECT id, 'queued', 0, 'submitted', 'submitted' FROM batch;
    COMMIT;
    UPDATE procrastinate_jobs SET status = 'doing' WHERE id IN (SELECT queue_id FROM batch);
    UPDATE jobs SET attempt = 1, worker = 'bench' WHERE id IN (SELECT id FROM batch);
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, kind, reason)
    SELECT id, 'queued', 'queued', 1, 'bench', 'claimed', 'a worker took it' FROM batch;
    COMMIT;
    UPDATE jobs SET server = 'http://gpu-1:8188', submitted_at = now(), submissions = 1
     WHERE id IN (SELECT id FROM batch);
    COMMIT;
    UPDATE jobs SET state = 'running', started_at = now() WHERE id IN (SELECT id FROM batch);
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, kind, reason)
    SELECT id, 'queued', 'running', 1, 'bench', 'http://gpu-1:8188', 'began', 'a ComfyUI runs it' FROM batch;
    COMMIT;
    FOR step IN 1 .. 2 LOOP
        UPDATE jobs SET progress = jsonb_build_object('value', step / 2.0, 'nodes_done', step, 'nodes_total', 2),
                        progress_event = nextval('event_ids')
         WHERE id IN (SELECT id FROM batch);
        COMMIT;
    END LOOP;
    INSERT INTO blobs (hash, size_bytes) SELECT replace(id::text, '-', '') || repeat('0', 32), 300000 FROM batch;
    WITH made AS (
        INSERT INTO assets (key_id, hash, content_type, file_path, job_id)
        SELECT key, replace(id::text, '-', '') || repeat('0', 32), 'image/png', 'a.png', id FROM batch
        RETURNING id, job_id
    )
    INSERT INTO outputs (job_id, position, node_id, class_type, key, kind, name, asset_id)
    SELECT job_id, 0, '3', 'SaveImage', 'images', 'image', 'a.png', id FROM made;
    COMMIT;
    UPDATE jobs SET state = 'succeeded', completed_at = now(), queue_id = NULL WHERE id IN (SELECT id FROM batch);
    DELETE FROM procrastinate_jobs WHERE id IN (SELECT queue_id FROM batch);
    INSERT INTO job_transitions (job_id, from_state, to_state, attempt, worker, server, kind, reason)
    SELECT id, 'running', 'succeeded', 1, 'bench', 'http://gpu-1:8188', 'ended', 'it ended' FROM batch;
    COMMIT;
END $$;
