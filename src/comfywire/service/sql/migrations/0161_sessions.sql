-- Sessions of browsers, which have a cookie instead of a key: of the cookie's value the hash alone.
CREATE TABLE sessions (
    hash bytea PRIMARY KEY,
    key_id uuid NOT NULL REFERENCES keys ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expires ON sessions (expires_at);
