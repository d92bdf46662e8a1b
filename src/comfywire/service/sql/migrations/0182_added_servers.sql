-- Servers that an admin adds over the API, beside those that workers are started with.

CREATE TABLE added_servers (
    url text PRIMARY KEY,                        -- without credentials
    address bytea NOT NULL,                      -- with them, encrypted
    tags text[] NOT NULL,
    slots integer,                               -- prompts of ours at a time; the worker's own number without
    added_at timestamptz NOT NULL DEFAULT now()
);
-- When a worker that was started with it (--server) last spoke of it.
ALTER TABLE servers ADD COLUMN named_at timestamptz;
-- Whether it was taken away while jobs were on it: it goes when these have ended.
ALTER TABLE servers ADD COLUMN is_removed boolean NOT NULL DEFAULT false;
