-- Keys: made, turned, withdrawn, and looked up by the hash of what a caller presents.

-- name: create
INSERT INTO keys (name, prefix, hash, scopes, max_queued, max_running, rate_per_minute, run_timeout, webhook_url,
                  expires_at)
VALUES (%(name)s, %(prefix)s, %(hash)s, %(scopes)s, %(max_queued)s, %(max_running)s, %(rate_per_minute)s,
        %(run_timeout)s, %(webhook_url)s,
        now() + make_interval(secs => %(expires_in)s::float8))
RETURNING *;

-- name: create_local
INSERT INTO keys (id, name, prefix, scopes) VALUES (%(id)s, 'local', '', %(scopes)s) ON CONFLICT DO NOTHING;

-- name: list
SELECT * FROM keys WHERE id <> %(local)s ORDER BY created_at, id;

-- name: get
SELECT * FROM keys WHERE id = %(id)s;

-- name: by_hash
SELECT *, revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS opens,
       EXTRACT(EPOCH FROM LEAST(expires_at, CASE WHEN previous_hash = %(hash)s THEN previous_until END) - now())
           ::float8 AS seconds_left
  FROM keys
 WHERE hash = %(hash)s OR (previous_hash = %(hash)s AND previous_until > now());

-- name: by_id
SELECT *, revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS opens,
       EXTRACT(EPOCH FROM expires_at - now())::float8 AS seconds_left
  FROM keys WHERE id = %(id)s;

-- name: hold
-- A session begins, or a secret is changed: one after the other.
SELECT id FROM keys WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: begin_session
-- It ends with the secret that it is begun with; none begins where that was changed a moment ago.
INSERT INTO sessions (hash, key_id, created_at, expires_at)
SELECT %(hash)s, id, clock_timestamp(), LEAST(now() + make_interval(secs => %(lifetime)s::float8),
       CASE WHEN hash <> %(secret)s THEN previous_until END)
  FROM keys
 WHERE id = %(key_id)s AND (hash IS NULL OR hash = %(secret)s OR (previous_hash = %(secret)s AND previous_until > now()));

-- name: end_surplus
DELETE FROM sessions
 WHERE expires_at < now()
    OR hash IN (SELECT hash FROM sessions WHERE key_id = %(key_id)s ORDER BY created_at DESC OFFSET %(most)s);

-- name: session
SELECT key_id, EXTRACT(EPOCH FROM expires_at - now())::float8 AS seconds_left
  FROM sessions WHERE hash = %(hash)s AND expires_at > now();

-- name: end_session
DELETE FROM sessions WHERE hash = %(hash)s OR expires_at < now();

-- name: touch
-- At most once a minute: a busy key costs no write a request.
UPDATE keys SET last_used_at = now()
 WHERE id = %(id)s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: end_older_sessions
-- Those that were begun with the secret before the one that is changed now, which opens nothing more; they are the
-- ones that end with its grace: others last for 30 days, and no grace is longer.
DELETE FROM sessions USING keys
 WHERE keys.id = %(id)s AND sessions.key_id = keys.id
   AND (%(grace)s::float8 <= 0 OR sessions.expires_at <= keys.previous_until);

-- name: shorten_sessions
UPDATE sessions SET expires_at = LEAST(expires_at, now() + make_interval(secs => %(grace)s::float8))
 WHERE key_id = %(id)s;

-- name: rotate
UPDATE keys
   SET previous_hash = CASE WHEN %(grace)s::float8 > 0 THEN hash END,
       previous_until = CASE WHEN %(grace)s::float8 > 0 THEN now() + make_interval(secs => %(grace)s::float8) END,
       prefix = %(prefix)s,
       hash = %(hash)s
 WHERE id = %(id)s AND revoked_at IS NULL AND hash IS NOT NULL
RETURNING *;

-- name: revoke
WITH ended AS (DELETE FROM sessions WHERE key_id = %(id)s)
UPDATE keys SET revoked_at = COALESCE(revoked_at, now()) WHERE id = %(id)s AND hash IS NOT NULL RETURNING *;

-- name: set_webhook_url
-- Anew: whatever address of the key was switched off is on again.
WITH well AS (DELETE FROM webhook_addresses WHERE key_id = %(id)s)
UPDATE keys SET webhook_url = %(webhook_url)s, webhook_disabled_at = NULL
 WHERE id = %(id)s AND revoked_at IS NULL AND hash IS NOT NULL
RETURNING *;

-- name: webhook_secret
-- And the time by the one clock that all processes have.
SELECT webhook_secret, clock_timestamp() AS now FROM keys WHERE id = %(id)s;

-- name: webhook_secrets
SELECT id, webhook_secret FROM keys WHERE webhook_secret IS NOT NULL;

-- name: set_webhook_secret
-- The first of two that make one at once has made it for both.
UPDATE keys SET webhook_secret = %(sealed)s
 WHERE id = %(id)s AND webhook_secret IS NOT DISTINCT FROM %(known)s
RETURNING webhook_secret;
