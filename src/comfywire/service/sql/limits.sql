-- How often keys may ask, over all processes.

-- name: take_tokens
-- As many as are wanted, or as there are; they are refilled evenly, to a minute's worth at most.
INSERT INTO rates AS own (key_id, tokens, granted)
VALUES (%(key_id)s, %(per_minute)s - LEAST(%(wanted)s, %(per_minute)s), LEAST(%(wanted)s, %(per_minute)s))
    ON CONFLICT (key_id) DO UPDATE
   SET (tokens, granted, at) = (
        SELECT there - LEAST(%(wanted)s, floor(there)), LEAST(%(wanted)s, floor(there)), GREATEST(own.at, now())
          FROM (SELECT LEAST(%(per_minute)s::float8, own.tokens + %(per_minute)s / 60.0::float8
                       * GREATEST(EXTRACT(epoch FROM now() - own.at), 0)::float8) AS there) AS refilled)
RETURNING granted, tokens;
