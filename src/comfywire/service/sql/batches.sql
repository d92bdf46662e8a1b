-- Batches: what was submitted together. A trigger counts the ends (migrations/0090_batches.sql).

-- name: add
INSERT INTO batches (id, key_id, size, webhook_url) VALUES (%(id)s, %(key_id)s, %(size)s, %(webhook_url)s) RETURNING *;

-- name: get
SELECT * FROM batches WHERE id = %(id)s AND (%(key_id)s::uuid IS NULL OR key_id = %(key_id)s);

-- name: list
SELECT * FROM batches
 WHERE key_id = %(key_id)s
   AND (%(before)s::timestamptz IS NULL OR (created_at, id) < (%(before)s, %(before_id)s))
 ORDER BY created_at DESC, id DESC
 LIMIT %(limit)s;

-- name: counts
SELECT batch_id, state::text AS state, count(*) AS count
  FROM jobs WHERE batch_id = ANY(%(ids)s) GROUP BY batch_id, state;

-- name: states
SELECT id, batch_index, state::text AS state FROM jobs WHERE batch_id = %(id)s ORDER BY batch_index;

-- name: jobs
SELECT
-- include: jobs.columns
  FROM jobs
 WHERE batch_id = %(id)s AND batch_index > %(after)s
 ORDER BY batch_index
 LIMIT %(limit)s;
