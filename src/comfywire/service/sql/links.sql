-- Links that show one job to whoever has them, until they end.

-- name: make
INSERT INTO job_links (job_id, hash, expires_at)
VALUES (%(job_id)s, %(hash)s, now() + make_interval(secs => %(seconds)s::float8))
    ON CONFLICT (job_id) DO UPDATE SET hash = excluded.hash, created_at = now(), expires_at = excluded.expires_at
RETURNING expires_at;

-- name: find
SELECT link.job_id, link.expires_at
  FROM job_links AS link JOIN jobs AS job ON job.id = link.job_id JOIN keys AS key ON key.id = job.key_id
 WHERE link.hash = %(hash)s AND link.expires_at > now() AND key.revoked_at IS NULL;

-- name: end
DELETE FROM job_links WHERE job_id = %(job_id)s;
