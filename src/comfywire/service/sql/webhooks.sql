-- Webhooks: deliveries that are due, each claimed by one process for a while, and a row for each try.

-- name: claim
-- A claim that has run out is one whose process died in mid-try: the try is made again.
WITH due AS (
    SELECT id FROM deliveries
     WHERE state = 'waiting'
       AND next_at <= now()
       AND (claimed_until IS NULL OR claimed_until <= now())
       AND key_id <> ALL(%(crowded_keys)s::uuid[])
       AND host <> ALL(%(crowded_hosts)s::text[])
     ORDER BY next_at
     LIMIT %(most)s
       FOR UPDATE SKIP LOCKED
)
UPDATE deliveries AS own
   SET tries = own.tries + 1, claimed_until = now() + make_interval(secs => %(seconds)s::float8)
  FROM due
 WHERE own.id = due.id
RETURNING own.*;

-- name: seconds_until_next
-- Two looks at the heads of two indexes, however many wait.
SELECT EXTRACT(EPOCH FROM LEAST(
    (SELECT next_at FROM deliveries
      WHERE state = 'waiting' AND claimed_until IS NULL
        AND key_id <> ALL(%(crowded_keys)s::uuid[]) AND host <> ALL(%(crowded_hosts)s::text[])
      ORDER BY next_at LIMIT 1),
    (SELECT claimed_until FROM deliveries
      WHERE state = 'waiting' AND claimed_until IS NOT NULL
        AND key_id <> ALL(%(crowded_keys)s::uuid[]) AND host <> ALL(%(crowded_hosts)s::text[])
      ORDER BY claimed_until LIMIT 1)
) - now())::float8 AS seconds;

-- name: keep_payload
-- The first try's stays: a receiver must get the same each time.
UPDATE deliveries SET payload = COALESCE(payload, %(payload)s) WHERE id = %(id)s RETURNING payload;

-- name: log_try
INSERT INTO delivery_tries (delivery_id, try, status, error, seconds)
SELECT id, %(try)s, %(status)s, %(error)s, %(seconds)s FROM deliveries WHERE id = %(id)s
    ON CONFLICT DO NOTHING;

-- name: delivered
-- Its address answers: it does not fail any more, and is on if it was off.
WITH told AS (
    UPDATE deliveries SET state = 'delivered', delivered_at = now(), claimed_until = NULL
     WHERE id = %(id)s
    RETURNING key_id, comfywire_webhook_address(url) AS address
), well AS (
    DELETE FROM webhook_addresses AS own USING told
     WHERE own.key_id = told.key_id AND own.address = told.address
    RETURNING own.key_id, own.address, own.disabled_at
)
UPDATE keys
   SET webhook_disabled_at = (SELECT max(other.disabled_at) FROM webhook_addresses AS other
                               WHERE other.key_id = keys.id AND other.address <> well.address)
  FROM well WHERE keys.id = well.key_id AND well.disabled_at IS NOT NULL;

-- name: addresses
SELECT address, failing_since, disabled_at FROM webhook_addresses WHERE key_id = %(key_id)s
 ORDER BY failing_since, address;

-- name: address_failed
-- now() is the transaction's time: what it switches off is new.
INSERT INTO webhook_addresses AS own (key_id, address)
SELECT key_id, comfywire_webhook_address(url) FROM deliveries WHERE id = %(id)s
    ON CONFLICT (key_id, address) DO UPDATE
   SET failed_at = now(),
       disabled_at = COALESCE(own.disabled_at, CASE WHEN own.failing_since <=
                              now() - make_interval(secs => %(patience)s::float8) THEN now() END)
RETURNING key_id, address, disabled_at, disabled_at = now() AS is_new;

-- name: give_up_address
-- One that another try of it is about to end is left to that.
UPDATE deliveries SET state = 'given_up', claimed_until = NULL
 WHERE id IN (SELECT id FROM deliveries
               WHERE key_id = %(key_id)s AND state = 'waiting' AND comfywire_webhook_address(url) = %(address)s
                 FOR UPDATE SKIP LOCKED);

-- name: say_disabled
UPDATE keys SET webhook_disabled_at = now() WHERE id = %(key_id)s;

-- name: forget_addresses
DELETE FROM webhook_addresses
 WHERE disabled_at IS NULL AND failed_at < now() - make_interval(secs => %(seconds)s::float8);

-- name: try_again
UPDATE deliveries SET next_at = now() + make_interval(secs => %(after)s::float8), claimed_until = NULL
 WHERE id = %(id)s AND tries = %(try)s AND state = 'waiting';

-- name: give_up
UPDATE deliveries SET state = 'given_up', claimed_until = NULL
 WHERE id = %(id)s AND tries = %(try)s AND state = 'waiting';

-- name: is_of
SELECT id FROM jobs WHERE id = %(job_id)s AND (%(key_id)s::uuid IS NULL OR key_id = %(key_id)s);

-- name: of_job
SELECT own.*,
       (SELECT COALESCE(jsonb_agg(jsonb_build_object('try', try, 'at', at, 'status', status, 'error', error,
                                                     'seconds', seconds) ORDER BY try), '[]')
          FROM delivery_tries WHERE delivery_id = own.id) AS log
  FROM deliveries AS own
 WHERE own.job_id = %(job_id)s
 ORDER BY own.created_at, own.id;

-- name: of_key
SELECT own.*,
       (SELECT COALESCE(jsonb_agg(jsonb_build_object('try', try, 'at', at, 'status', status, 'error', error,
                                                     'seconds', seconds) ORDER BY try), '[]')
          FROM delivery_tries WHERE delivery_id = own.id) AS log
  FROM deliveries AS own
 WHERE own.key_id = %(key_id)s AND (%(state)s::text IS NULL OR own.state = %(state)s)
   AND (%(before)s::timestamptz IS NULL OR (own.created_at, own.id) < (%(before)s, %(before_id)s))
 ORDER BY own.created_at DESC, own.id DESC LIMIT %(limit)s;

-- name: redeliver
-- At once, and the schedule anew. One that is being tried stays claimed.
UPDATE deliveries AS own
   SET state = 'waiting', next_at = now(), tries_before = own.tries, delivered_at = NULL
 WHERE own.id = %(id)s
RETURNING pg_notify('comfywire_webhooks', own.job_id::text);

-- name: redeliver_since
-- All that a key was told since then, delivered or not: the receiver knows by webhook-id what it has had. Progress of
-- then is no news.
WITH again AS (
    UPDATE deliveries
       SET state = 'waiting', next_at = now(), tries_before = tries, delivered_at = NULL
     WHERE key_id = %(key_id)s AND created_at >= %(since)s AND type <> 'job.progress'
    RETURNING job_id
)
SELECT count(*)::int AS count, count(pg_notify('comfywire_webhooks', job_id::text)) AS notified FROM again;
