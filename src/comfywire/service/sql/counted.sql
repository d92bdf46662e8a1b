-- Counts that are kept for a while (database/counted.py).

-- name: kept
-- A count of later than now is of before the clock was set back: nobody knows how old it is.
SELECT now() AS now, rows, as_of, good_until > now() AND as_of <= now() AS is_good,
       as_of > now() - make_interval(secs => %(oldest)s) AND as_of <= now() AS will_do
  FROM (VALUES (1)) AS one LEFT JOIN counted ON name = %(name)s;

-- name: claim
-- One counts anew; whoever died at it has the next one do so.
UPDATE counted SET claimed_at = now()
 WHERE name = %(name)s AND good_until <= now() AND claimed_at < now() - make_interval(secs => %(patience)s);

-- name: keep
INSERT INTO counted (name, rows, as_of, good_until)
VALUES (%(name)s, %(rows)s, %(as_of)s, %(as_of)s + make_interval(secs => %(lifetime)s))
    ON CONFLICT (name) DO UPDATE
   SET rows = excluded.rows, as_of = excluded.as_of, good_until = excluded.good_until, claimed_at = '-infinity';

-- name: forget
DELETE FROM counted WHERE name = %(name)s;
