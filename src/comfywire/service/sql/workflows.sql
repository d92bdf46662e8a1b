-- Registered workflows: versions are only ever added and retired, so that a job can always say what it was made of.

-- name: lock_name
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 6));

-- name: add
INSERT INTO workflows (name, version, key_id, description, prompt, document, parameters, options)
SELECT %(name)s, COALESCE(max(version), 0) + 1, %(key_id)s, %(description)s, %(prompt)s, %(document)s, %(parameters)s,
       %(options)s
  FROM workflows WHERE name = %(name)s
RETURNING *;

-- name: get
SELECT *
  FROM workflows
 WHERE name = %(name)s AND retired_at IS NULL AND (%(version)s::int IS NULL OR version = %(version)s)
 ORDER BY version DESC
 LIMIT 1;

-- name: list
-- The newest of each name.
SELECT DISTINCT ON (name) * FROM workflows WHERE retired_at IS NULL ORDER BY name, version DESC;

-- name: versions
SELECT * FROM workflows WHERE name = %(name)s ORDER BY version DESC;

-- name: retire
UPDATE workflows SET retired_at = now()
 WHERE name = %(name)s AND retired_at IS NULL AND (%(version)s::int IS NULL OR version = %(version)s);
