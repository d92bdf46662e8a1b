-- The sessions of one key are counted when another begins, and end with the secret that they were begun with.
CREATE INDEX sessions_of_keys ON sessions (key_id, created_at);
