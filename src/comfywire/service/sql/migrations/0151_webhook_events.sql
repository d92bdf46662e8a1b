-- What a job tells beside its end, where a key's jobs tell by default, and addresses that do not answer.

ALTER TABLE jobs ADD COLUMN webhook_events text[] NOT NULL DEFAULT '{}';  -- job.started, job.progress
ALTER TABLE keys ADD COLUMN webhook_url text;                            -- for jobs and batches that name none
ALTER TABLE keys ADD COLUMN webhook_disabled_at timestamptz;             -- since when one of its addresses is off

-- An address is a URL without its query, which may name the job: so long a text fits into an index.
CREATE FUNCTION comfywire_webhook_address(url text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(split_part(split_part(url, '#', 1), '?', 1), 500)
$$;

-- Only addresses whose last try failed are here.
CREATE TABLE webhook_addresses (
    key_id uuid NOT NULL REFERENCES keys ON DELETE CASCADE,
    address text NOT NULL,
    failing_since timestamptz NOT NULL DEFAULT now(),
    failed_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,                     -- nothing is sent there by itself any more
    PRIMARY KEY (key_id, address)
);

-- The trigger that says whose a delivery is also sees that nothing is to be sent there: a process of an older version
-- makes deliveries, too, while both run.
CREATE OR REPLACE FUNCTION comfywire_own_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.key_id := (SELECT key_id FROM jobs WHERE id = NEW.job_id);
    IF EXISTS (SELECT FROM webhook_addresses AS own
                WHERE own.key_id = NEW.key_id AND own.address = comfywire_webhook_address(NEW.url)
                  AND own.disabled_at IS NOT NULL) THEN
        NEW.state := 'given_up';
    END IF;
    RETURN NEW;
END $$;
