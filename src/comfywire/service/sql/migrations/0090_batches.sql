-- Batches: jobs that were submitted together, counted together, and told of together.

CREATE TABLE batches (
    id uuid PRIMARY KEY,
    key_id uuid NOT NULL REFERENCES keys,
    size integer NOT NULL,                       -- how many jobs it was submitted with
    ended integer NOT NULL DEFAULT 0,            -- of which so many have ended
    webhook_url text,                            -- is told when all have
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz                     -- NULL while a job of it is open
);
CREATE INDEX batches_by_key ON batches (key_id, created_at DESC, id DESC);

ALTER TABLE jobs ADD COLUMN batch_id uuid REFERENCES batches;
ALTER TABLE jobs ADD COLUMN batch_index integer;
CREATE UNIQUE INDEX jobs_by_batch ON jobs (batch_id, batch_index) WHERE batch_id IS NOT NULL;

ALTER TABLE deliveries ADD COLUMN batch_id uuid REFERENCES batches ON DELETE CASCADE;

-- A trigger counts, and not the statement that ends a job: a worker of an older version, which knows of no batches, ends
-- jobs of them, too, while both run. The row of the batch is locked by each count, so the last one sees all the others.
CREATE FUNCTION comfywire_count_batch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    over CONSTANT job_state[] := '{succeeded,failed,canceled,expired}';
    batch batches;
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM batches WHERE id = OLD.batch_id AND NOT EXISTS (SELECT FROM jobs WHERE batch_id = OLD.batch_id);
    ELSIF NEW.state = ANY(over) AND OLD.state <> ALL(over) THEN
        UPDATE batches
           SET ended = ended + 1, completed_at = CASE WHEN ended + 1 >= size THEN clock_timestamp() END
         WHERE id = NEW.batch_id
        RETURNING * INTO batch;
        IF batch.completed_at IS NOT NULL AND batch.webhook_url IS NOT NULL THEN
            INSERT INTO deliveries (job_id, batch_id, type, url)
            VALUES (NEW.id, NEW.batch_id, 'batch.completed', batch.webhook_url);
            PERFORM pg_notify('comfywire_webhooks', NEW.id::text);
        END IF;
    ELSIF NEW.state <> ALL(over) AND OLD.state = ANY(over) THEN
        UPDATE batches SET ended = ended - 1, completed_at = NULL WHERE id = NEW.batch_id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER comfywire_count_batch AFTER UPDATE OF state ON jobs
    FOR EACH ROW WHEN (NEW.batch_id IS NOT NULL AND NEW.state <> OLD.state)
    EXECUTE FUNCTION comfywire_count_batch();
CREATE TRIGGER comfywire_forget_batch AFTER DELETE ON jobs
    FOR EACH ROW WHEN (OLD.batch_id IS NOT NULL)
    EXECUTE FUNCTION comfywire_count_batch();
