-- What ComfyUI's editor keeps on its server, for each key.

-- name: settings
SELECT settings FROM user_settings WHERE key_id = %(key_id)s;

-- name: merge_settings
INSERT INTO user_settings (key_id, settings) VALUES (%(key_id)s, %(settings)s)
    ON CONFLICT (key_id) DO UPDATE SET settings = user_settings.settings || excluded.settings
RETURNING octet_length(settings::text) AS size;

-- name: lock
-- One change at a time of a key's files, whatever process makes it.
SELECT pg_advisory_xact_lock(hashtextextended('user_files ' || %(key_id)s::text, 0));

-- name: about
path, octet_length(content) AS size, created_at, changed_at

-- name: list
SELECT
-- include: userdata.about
  FROM user_files WHERE key_id = %(key_id)s AND starts_with(path, %(prefix)s) ORDER BY path;

-- name: read
SELECT content FROM user_files WHERE key_id = %(key_id)s AND path = %(path)s;

-- name: is_there
SELECT 1 FROM user_files WHERE key_id = %(key_id)s AND path = %(path)s;

-- name: in_the_way
-- A folder of this name, or a file where a folder would have to be.
SELECT 1 FROM user_files
 WHERE key_id = %(key_id)s AND (starts_with(path, %(path)s || '/') OR path = ANY(%(parents)s)) LIMIT 1;

-- name: others
SELECT count(*) AS files, COALESCE(sum(octet_length(content)), 0) AS size
  FROM user_files WHERE key_id = %(key_id)s AND path <> %(path)s;

-- name: write
INSERT INTO user_files (key_id, path, content) VALUES (%(key_id)s, %(path)s, %(content)s)
    ON CONFLICT (key_id, path) DO UPDATE SET content = excluded.content, changed_at = now()
RETURNING
-- include: userdata.about
;

-- name: delete
DELETE FROM user_files WHERE key_id = %(key_id)s AND path = %(path)s;

-- name: move
UPDATE user_files SET path = %(to)s WHERE key_id = %(key_id)s AND path = %(path)s
RETURNING
-- include: userdata.about
;
