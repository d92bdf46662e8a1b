-- The job service's own tables. Procrastinate's stand beside them, in the same schema (queue.py).

-- Keys: who may ask. A service without keys has one, 'local', that everything belongs to.
CREATE TABLE keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    prefix text NOT NULL,                        -- the first characters, by which people tell keys apart
    hash bytea UNIQUE,                           -- SHA-256 of the secret; NULL for 'local', which none opens
    scopes text[] NOT NULL,                      -- submit, read, admin
    max_queued integer,                          -- jobs that may wait; NULL is the service's default
    max_running integer,                         -- jobs that may run at a time
    rate_per_minute integer,                     -- requests
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);

-- Events of a job are numbered across everything, so that a stream can be resumed after any of them.
CREATE SEQUENCE event_ids;

CREATE TYPE job_state AS ENUM (
    'queued',     -- recorded; waits here, or in a ComfyUI's queue
    'running',    -- a ComfyUI runs it
    'canceling',  -- somebody wants it to end; a worker sees to it
    'succeeded',  -- its outputs are kept
    'failed',     -- it ended badly, or every attempt was lost
    'canceled',   -- it was ended on request
    'expired'     -- it waited for longer than it was allowed to
);

CREATE TABLE jobs (
    id uuid PRIMARY KEY,                         -- is the prompt_id
    key_id uuid NOT NULL REFERENCES keys,
    state job_state NOT NULL DEFAULT 'queued',
    priority integer NOT NULL DEFAULT 0 CHECK (priority BETWEEN -20 AND 20),
    prompt jsonb NOT NULL,                       -- API format, with core/ASSET objects where files go
    document jsonb,                              -- the editor's document, if there was one
    targets text[],                              -- output nodes to run; NULL is all
    labels jsonb NOT NULL DEFAULT '{}',          -- strings by string
    workflow_name text,                          -- a registered workflow that it was made of
    workflow_version integer,
    secret bytea,                                -- extra_data, encrypted; gone when the job has ended
    retry jsonb NOT NULL DEFAULT '{}',           -- {"lost": true, "errors": ["OutOfMemory"], "max_attempts": 3}
    need text NOT NULL,                          -- what a server must have: the queue that it waits in
    queue_id bigint,                             -- the engine's number; NULL while its key has enough running
    attempt integer NOT NULL DEFAULT 0,          -- counts claims: an older one may change nothing
    submissions integer NOT NULL DEFAULT 0,      -- counts how often a ComfyUI was sent it anew
    worker text,                                 -- who follows it
    server text,                                 -- where it was, or is about to be, submitted
    submitted_at timestamptz,                    -- set BEFORE the POST; NULL when it is known not to be there
    progress jsonb,                              -- the latest snapshot
    progress_event bigint,
    error jsonb,                                 -- {"code", "message", "node_id", "class_type", "traceback"}
    outputs_reused boolean,                      -- whether the outputs came from the ComfyUI's cache
    warnings text[] NOT NULL DEFAULT '{}',
    webhook_url text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    queue_until timestamptz,                     -- expires when it still waits then
    expires_at timestamptz NOT NULL              -- forgotten then
);
CREATE INDEX jobs_by_key ON jobs (key_id, created_at DESC, id);
CREATE INDEX jobs_labels ON jobs USING gin (labels jsonb_path_ops);
CREATE INDEX jobs_open ON jobs (key_id, state) WHERE state IN ('queued', 'running', 'canceling');
CREATE INDEX jobs_held ON jobs (key_id, priority DESC, created_at)
    WHERE state = 'queued' AND queue_id IS NULL;
CREATE INDEX jobs_queue_until ON jobs (queue_until) WHERE state = 'queued';
CREATE INDEX jobs_expires ON jobs (expires_at);

-- The audit: each change of state, and each attempt at the same state (queued to queued when it is claimed).
CREATE TABLE transitions (
    event_id bigint PRIMARY KEY DEFAULT nextval('event_ids'),
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    from_state job_state,
    to_state job_state NOT NULL,
    attempt integer NOT NULL,
    worker text,
    server text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL DEFAULT ''
);
CREATE INDEX transitions_by_job ON transitions (job_id, event_id);

-- Bytes, by content. `path` is where the asset store has them.
CREATE TABLE blobs (
    hash text PRIMARY KEY,                       -- blake3, hex
    size_bytes bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    touched_at timestamptz NOT NULL DEFAULT now() -- the sweep spares what was touched lately
);

CREATE TABLE assets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    key_id uuid NOT NULL REFERENCES keys,
    hash text NOT NULL REFERENCES blobs,
    content_type text NOT NULL,
    file_path text,
    tags text[] NOT NULL DEFAULT '{}',
    job_id uuid REFERENCES jobs ON DELETE CASCADE, -- which job made it; NULL for uploads
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);
CREATE INDEX assets_by_key ON assets (key_id, hash);
CREATE INDEX assets_by_hash ON assets (hash);
CREATE INDEX assets_by_job ON assets (job_id);
CREATE INDEX assets_expires ON assets (expires_at) WHERE expires_at IS NOT NULL;

-- Which assets a job reads: what a live job uses is never swept.
CREATE TABLE job_inputs (
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    asset_id uuid NOT NULL REFERENCES assets ON DELETE CASCADE,
    PRIMARY KEY (job_id, asset_id)
);
CREATE INDEX job_inputs_by_asset ON job_inputs (asset_id);

CREATE TABLE outputs (
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    position integer NOT NULL,
    event_id bigint NOT NULL DEFAULT nextval('event_ids'),
    node_id text NOT NULL,
    class_type text,
    key text NOT NULL,                           -- ComfyUI's: images, gifs, text, ...
    kind text NOT NULL,                          -- image, animation, video, audio, latent, 3d, file, text, value
    name text,                                   -- the file's, as the server called it
    asset_id uuid REFERENCES assets,             -- NULL for values, and when the operator withholds it
    value jsonb,                                 -- of texts and values
    PRIMARY KEY (job_id, position)
);
CREATE INDEX outputs_by_asset ON outputs (asset_id);

-- The newest preview of a running job; a crash may lose it.
CREATE UNLOGGED TABLE previews (
    job_id uuid PRIMARY KEY,
    node_id text NOT NULL,
    content_type text NOT NULL,
    content bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE idempotency (
    key_id uuid NOT NULL REFERENCES keys,
    idempotency_key text NOT NULL,
    route text NOT NULL,
    body_hash text NOT NULL,
    status integer,                              -- NULL while the first request is under way
    response jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, idempotency_key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- What each distinct need is, and why a server does not meet it (NULL: it does).
CREATE TABLE needs (
    need text PRIMARY KEY,
    requirement jsonb NOT NULL,                  -- {"class_types": [...], "models": {...}, "tags": [...]}
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE servers (
    url text PRIMARY KEY,                        -- without credentials
    address bytea,                               -- with them, encrypted
    worker text,
    state text NOT NULL,                         -- up, down, broken (circuit open)
    wanted text NOT NULL DEFAULT 'active',       -- active, paused (takes no more), drained (paused and empty)
    reason text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    version text,
    devices jsonb NOT NULL DEFAULT '[]',
    catalogue text,                              -- digest of its object_info
    loaded text[] NOT NULL DEFAULT '{}',         -- models that its last jobs used
    running integer NOT NULL DEFAULT 0,          -- ours
    pending integer NOT NULL DEFAULT 0,
    foreign_prompts integer NOT NULL DEFAULT 0,  -- other people's, running and pending
    counts jsonb NOT NULL DEFAULT '{}',          -- jobs, failures, events lost, reads made
    seen_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE catalogues (
    digest text PRIMARY KEY,
    object_info bytea NOT NULL,                  -- JSON, gzip
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE refusals (
    server text NOT NULL REFERENCES servers ON DELETE CASCADE,
    need text NOT NULL REFERENCES needs ON DELETE CASCADE,
    reasons jsonb NOT NULL,                      -- [] when the server meets it
    PRIMARY KEY (server, need)
);

-- The fair share: how far into the rounds of a priority each key's newest job stands (queue.py).
CREATE TABLE shares (
    priority integer NOT NULL,
    key_id uuid NOT NULL REFERENCES keys,
    last_round integer NOT NULL,
    PRIMARY KEY (priority, key_id)
);

-- Registered workflows, every version.
CREATE TABLE workflows (
    name text NOT NULL,
    version integer NOT NULL,
    key_id uuid NOT NULL REFERENCES keys,        -- who registered it; all keys may run it
    description text NOT NULL DEFAULT '',
    prompt jsonb NOT NULL,
    document jsonb,
    parameters jsonb NOT NULL,                   -- as Parameters describes them
    options jsonb NOT NULL DEFAULT '{}',         -- retry, priority, tags, targets
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    PRIMARY KEY (name, version)
);

-- Webhooks: one delivery per job's end, and a row for each try.
CREATE TABLE deliveries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    type text NOT NULL,                          -- job.succeeded, job.failed, ...
    url text NOT NULL,
    payload jsonb,                               -- what was sent; NULL until the first try renders it
    state text NOT NULL DEFAULT 'waiting',       -- waiting, delivered, given_up
    tries integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    claimed_until timestamptz,                   -- a worker is at it
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_by_job ON deliveries (job_id);
CREATE TABLE delivery_tries (
    delivery_id uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    try integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status integer,                              -- NULL when nothing answered
    error text NOT NULL DEFAULT '',
    seconds double precision NOT NULL,
    PRIMARY KEY (delivery_id, try)
);

-- What the operator has switched: queue = {"paused": true}.
CREATE TABLE switches (
    name text PRIMARY KEY,
    value jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
