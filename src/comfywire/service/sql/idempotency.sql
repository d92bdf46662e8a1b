-- Requests that may come twice: a row in the transaction of what the first one made.

-- name: known
SELECT route, body_hash, status, response
  FROM idempotency
 WHERE key_id = %(key_id)s AND idempotency_key = %(key)s AND created_at > now() - interval '24 hours';

-- name: claim
-- No row: another request has it. One that is under way is waited for, by the lock of the unique index.
INSERT INTO idempotency AS own (key_id, idempotency_key, route, body_hash)
VALUES (%(key_id)s, %(key)s, %(route)s, %(body_hash)s)
ON CONFLICT (key_id, idempotency_key) DO UPDATE
   SET route = excluded.route, body_hash = excluded.body_hash, status = NULL, response = NULL, created_at = now()
 WHERE own.created_at <= now() - interval '24 hours'
RETURNING key_id;

-- name: answer
UPDATE idempotency SET status = %(status)s, response = %(response)s
 WHERE key_id = %(key_id)s AND idempotency_key = %(key)s;

-- name: forget
DELETE FROM idempotency
 WHERE (key_id, idempotency_key) IN (
    SELECT key_id, idempotency_key FROM idempotency
     WHERE created_at <= now() - interval '24 hours' AND NOT (key_id = %(key_id)s AND idempotency_key = %(key)s)
     LIMIT 50
       FOR UPDATE SKIP LOCKED
);
