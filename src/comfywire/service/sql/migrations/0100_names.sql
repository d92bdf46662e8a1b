-- Files that a prompt names with a text (assets/by_name.py).

-- When an upload was last given its name; NULL when it was made.
ALTER TABLE assets ADD COLUMN named_at timestamptz;
-- A name may be longer than an index takes.
CREATE INDEX assets_by_name ON assets (key_id, md5(file_path)) WHERE job_id IS NULL AND file_path IS NOT NULL;

-- Inputs whose texts named files of the key's, with assets instead: {node_id: {input: value}}. `prompt` stays as sent.
ALTER TABLE jobs ADD COLUMN files jsonb;
