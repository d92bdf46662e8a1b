-- Values of a workflow's inputs, kept by a key under a name.

-- name: list
SELECT name, inputs, changed_at FROM presets WHERE key_id = %(key_id)s AND workflow = %(workflow)s ORDER BY name;

-- name: count_others
SELECT count(*) AS count FROM presets WHERE key_id = %(key_id)s AND workflow = %(workflow)s AND name <> %(name)s;

-- name: keep
INSERT INTO presets (key_id, workflow, name, inputs) VALUES (%(key_id)s, %(workflow)s, %(name)s, %(inputs)s)
    ON CONFLICT (key_id, workflow, name) DO UPDATE SET inputs = excluded.inputs, changed_at = now()
RETURNING name, inputs, changed_at;

-- name: delete
DELETE FROM presets WHERE key_id = %(key_id)s AND workflow = %(workflow)s AND name = %(name)s;

-- name: example
SELECT asset_id FROM workflow_examples WHERE workflow = %(workflow)s;

-- name: examples
SELECT workflow, asset_id FROM workflow_examples;

-- name: set_example
INSERT INTO workflow_examples (workflow, asset_id) VALUES (%(workflow)s, %(asset_id)s)
    ON CONFLICT (workflow) DO UPDATE SET asset_id = excluded.asset_id;

-- name: keep_asset
-- The picture is a copy of the caller's, which no retention takes away, and which outlives the caller's key.
INSERT INTO assets (key_id, hash, content_type, file_path, named_at)
SELECT %(owner)s, hash, content_type, file_path, '-infinity' FROM assets WHERE id = %(asset_id)s AND key_id = %(key_id)s
RETURNING id;

-- name: forget_example
WITH gone AS (DELETE FROM workflow_examples WHERE workflow = %(workflow)s RETURNING asset_id)
DELETE FROM assets WHERE id IN (SELECT asset_id FROM gone);
