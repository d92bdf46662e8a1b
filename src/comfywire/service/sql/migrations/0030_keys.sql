-- Keys: rotation with a time of grace, and the secret that webhooks are signed with.
ALTER TABLE keys ADD COLUMN previous_hash bytea UNIQUE;      -- of the secret before the last rotation
ALTER TABLE keys ADD COLUMN previous_until timestamptz;      -- until when that one opens, too
ALTER TABLE keys ADD COLUMN webhook_secret bytea;            -- whsec_..., encrypted; made when first needed

-- A redelivery begins the schedule anew, while tries go on being counted.
ALTER TABLE deliveries ADD COLUMN tries_before integer NOT NULL DEFAULT 0;

CREATE INDEX deliveries_claimed ON deliveries (claimed_until) WHERE claimed_until IS NOT NULL;
