-- What the page keeps in the service: sets of values by name, links to one job, and pictures of workflows.

CREATE TABLE presets (
    key_id uuid NOT NULL REFERENCES keys,
    workflow text NOT NULL,                      -- the name of a registered workflow, of any version
    name text NOT NULL,
    inputs jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, workflow, name)
);

CREATE TABLE job_links (
    job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE, -- one at a time: another ends the one before
    hash bytea NOT NULL UNIQUE,                  -- SHA-256 of what stands in the link
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE workflow_examples (
    workflow text PRIMARY KEY,
    asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE
);
CREATE INDEX workflow_examples_by_asset ON workflow_examples (asset_id);
