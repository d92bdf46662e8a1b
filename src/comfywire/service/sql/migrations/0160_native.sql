-- Jobs that came through ComfyUI's own API (service/native/), and what is told of them there.

-- What of the caller's extra_data is no secret: the editor's document for files' metadata, and whatever else. The
-- secrets in it are in `secret`.
ALTER TABLE jobs ADD COLUMN extra_data jsonb;
-- Whether /history has it once it has ended; false when its owner deleted it there, NULL for jobs of other faces.
ALTER TABLE jobs ADD COLUMN in_history boolean;
CREATE INDEX jobs_in_history ON jobs (key_id, completed_at DESC, id DESC)
    WHERE in_history AND completed_at IS NOT NULL;
CREATE INDEX jobs_in_queue ON jobs (key_id, created_at, id)
    WHERE in_history IS NOT NULL AND completed_at IS NULL;

CREATE SEQUENCE native_numbers MINVALUE 0;

CREATE TABLE native_prompts (
    job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    client_id text,                              -- which sockets hear of it; NULL when the caller gave none
    number double precision NOT NULL,            -- as the reply said; it orders nothing here
    outputs text[] NOT NULL,                     -- the output nodes that are to run
    node_errors jsonb NOT NULL DEFAULT '{}',     -- what the validator dropped, as the reply said
    entry jsonb                                  -- {"outputs", "status", "meta"} of the ComfyUI's history, with our names
);
