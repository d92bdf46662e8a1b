-- Webhooks take turns by key and by host. A trigger says whose a delivery is, and not the statement that makes it: a
-- process of an older version makes deliveries, too, while both run.

ALTER TABLE deliveries ADD COLUMN key_id uuid;
UPDATE deliveries SET key_id = jobs.key_id FROM jobs WHERE jobs.id = deliveries.job_id;

CREATE FUNCTION comfywire_own_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.key_id := (SELECT key_id FROM jobs WHERE id = NEW.job_id);
    RETURN NEW;
END $$;
CREATE TRIGGER comfywire_own_delivery BEFORE INSERT ON deliveries
    FOR EACH ROW EXECUTE FUNCTION comfywire_own_delivery();

-- With its port; without user names, which are refused.
ALTER TABLE deliveries ADD COLUMN host text
    GENERATED ALWAYS AS (COALESCE(lower(substring(url from '^[^:]+://([^/?#]*)')), '')) STORED;
