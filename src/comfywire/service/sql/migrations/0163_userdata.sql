-- What ComfyUI's editor keeps on its server, for each key: settings, and files such as workflows.

CREATE TABLE user_settings (
    key_id uuid PRIMARY KEY REFERENCES keys,
    settings jsonb NOT NULL
);

CREATE TABLE user_files (
    key_id uuid NOT NULL REFERENCES keys,
    path text NOT NULL,                          -- with its folders, which are there as long as a file is
    content bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, path)
);
