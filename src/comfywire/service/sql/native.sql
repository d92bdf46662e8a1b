-- Jobs as ComfyUI's own API lists them: what its queue has, what its history has, each in one look.

-- name: is_in_history
-- What was canceled before it began leaves no trace, as a prompt that is deleted from a ComfyUI's queue; but one that
-- was interrupted does, for whom an entry is written down then.
job.in_history AND job.completed_at IS NOT NULL AND (job.state <> 'canceled' OR job.started_at IS NOT NULL OR EXISTS (
    SELECT FROM native_prompts AS told WHERE told.job_id = job.id AND told.entry IS NOT NULL))

-- name: is_in_queue
-- What was taken out before it began is gone at once, as from a ComfyUI's queue, though a worker may still be at it.
in_history IS NOT NULL AND completed_at IS NULL AND (state <> 'canceling' OR started_at IS NOT NULL OR EXISTS (
    SELECT FROM native_prompts AS told WHERE told.job_id = jobs.id AND told.entry IS NOT NULL))

-- name: queue
-- The graphs of the first few alone: ten thousand may wait, each with the editor's whole document.
SELECT job.id, job.state::text AS state, job.started_at, job.created_at, native.client_id, native.number, native.outputs,
       CASE WHEN place <= told THEN prompt ELSE '{}' END AS prompt,
       CASE WHEN place <= told THEN extra_data END AS extra_data
  FROM (SELECT *, row_number() OVER here AS place,
               CASE WHEN sum(pg_column_size(prompt) + COALESCE(pg_column_size(extra_data), 0)) OVER here > %(packed)s
                    THEN 1 ELSE %(graphs)s END AS told
          FROM jobs
         WHERE key_id = %(key_id)s AND
-- include: native.is_in_queue
        WINDOW here AS (ORDER BY started_at NULLS LAST, priority DESC, created_at, id ROWS UNBOUNDED PRECEDING)
       ) AS job
  JOIN native_prompts AS native ON native.job_id = job.id
 ORDER BY place;

-- name: remaining
SELECT count(*) AS count FROM jobs
 WHERE key_id = %(key_id)s AND
-- include: native.is_in_queue
;

-- name: open_ids
-- Those that wait, or those that run: the newest first, and then what is on a ComfyUI and may have begun there a
-- moment ago, that which was sent first before the others.
SELECT job.id
  FROM jobs AS job JOIN native_prompts AS native ON native.job_id = job.id
 WHERE job.key_id = %(key_id)s AND job.in_history IS NOT NULL AND job.completed_at IS NULL
   AND CASE WHEN %(running)s THEN job.state = 'running' OR (job.state = 'queued' AND job.submitted_at IS NOT NULL)
            ELSE job.state = 'queued' END
   AND (%(client_id)s::text IS NULL OR native.client_id = %(client_id)s)
 ORDER BY job.started_at DESC NULLS LAST, job.submitted_at, job.created_at DESC;

-- name: window
-- The newest of a key's history: so many, and those that ended a moment ago in any case.
SELECT id, completed_at
  FROM jobs AS job
 WHERE key_id = %(key_id)s AND
-- include: native.is_in_history
 ORDER BY completed_at DESC, id DESC
 LIMIT %(most)s OFFSET %(skip)s;

-- name: mark
-- What a rendering of the window would show, as a number: two that are equal show the same.
SELECT count(*) AS count, max(completed_at) AS last,
       COALESCE(bit_xor(uuid_hash_extended(id, 0)), 0) AS mark
  FROM (SELECT id, completed_at
          FROM jobs AS job
         WHERE key_id = %(key_id)s AND
-- include: native.is_in_history
         ORDER BY completed_at DESC, id DESC
         LIMIT %(most)s) AS shown;

-- name: count
SELECT count(*) AS count FROM jobs AS job
 WHERE key_id = %(key_id)s AND
-- include: native.is_in_history
;

-- name: entries
SELECT job.id, job.state::text AS state, job.prompt, job.extra_data, job.error, job.outputs_reused, job.created_at,
       job.started_at, job.completed_at, native.client_id, native.number, native.outputs, native.entry
  FROM jobs AS job JOIN native_prompts AS native ON native.job_id = job.id
 WHERE job.id = ANY(%(ids)s::uuid[]) AND job.key_id = %(key_id)s AND
-- include: native.is_in_history
;

-- name: kept
-- What the store has of jobs of which nobody wrote down what their ComfyUI said.
SELECT output.job_id, output.node_id, output.key, output.kind, output.name, output.value, asset.file_path
  FROM outputs AS output LEFT JOIN assets AS asset ON asset.id = output.asset_id
 WHERE output.job_id = ANY(%(ids)s::uuid[])
 ORDER BY output.job_id, output.position;

-- name: hide
-- Ended ones alone, as a ComfyUI's history has no others.
UPDATE jobs SET in_history = false
 WHERE key_id = %(key_id)s AND in_history AND completed_at IS NOT NULL
   AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]));

-- name: submitted
-- What a prompt_id that is used already stands for.
SELECT job.key_id, job.prompt, job.targets, native.number, native.node_errors
  FROM jobs AS job LEFT JOIN native_prompts AS native ON native.job_id = job.id
 WHERE job.id = %(job_id)s;

-- name: output
SELECT asset.id, job.completed_at IS NOT NULL AS is_over
  FROM jobs AS job
  LEFT JOIN outputs AS output ON output.job_id = job.id AND output.asset_id IS NOT NULL
  LEFT JOIN assets AS asset ON asset.id = output.asset_id AND asset.file_path = %(path)s
 WHERE job.id = %(job_id)s AND job.key_id = %(key_id)s
 ORDER BY asset.id IS NULL, output.position
 LIMIT 1;
