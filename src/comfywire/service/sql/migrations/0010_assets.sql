-- What the sweep looks for: bytes by when they were last given or asked for.
CREATE INDEX blobs_touched ON blobs (touched_at);
