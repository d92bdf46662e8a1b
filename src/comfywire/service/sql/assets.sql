-- Assets and blobs. The sweep locks a blob's row before it removes its bytes, and leaves alone what was touched
-- in the last hour; whoever adds an asset touches the row first. So nobody gets an asset without bytes.

-- name: touch
INSERT INTO blobs (hash, size_bytes) VALUES (%(hash)s, %(size_bytes)s)
    ON CONFLICT (hash) DO UPDATE SET touched_at = now();

-- name: lock_blob_of_key
-- One at a time for each blob, so that of two equal uploads exactly one is new.
UPDATE blobs SET touched_at = now() WHERE hash = %(hash)s
   AND (%(key_id)s::uuid IS NULL OR EXISTS (SELECT FROM assets WHERE hash = %(hash)s AND key_id = %(key_id)s))
RETURNING hash;

-- name: has_hash
SELECT content_type FROM assets
 WHERE key_id = %(key_id)s AND hash = %(hash)s ORDER BY created_at DESC LIMIT 1;

-- name: insert
INSERT INTO assets (key_id, hash, content_type, file_path, tags, expires_at, named_at)
VALUES (%(key_id)s, %(hash)s, %(content_type)s, %(file_path)s, %(tags)s,
        now() + make_interval(secs => %(lifetime)s::float8), CASE WHEN NOT %(is_named)s THEN '-infinity'::timestamptz END)
RETURNING id;

-- name: extend_equal
-- An upload of the same key, bytes, place and tags: kept for longer when that is asked for, never shorter; and from now
-- on the newest of its name.
UPDATE assets
   SET named_at = now(),
       expires_at = CASE WHEN expires_at IS NULL OR %(lifetime)s::float8 IS NULL THEN NULL
                         ELSE greatest(expires_at, now() + make_interval(secs => %(lifetime)s::float8)) END
 WHERE id = (SELECT id FROM assets
              WHERE key_id = %(key_id)s AND hash = %(hash)s AND job_id IS NULL
                AND file_path IS NOT DISTINCT FROM %(file_path)s AND tags = %(tags)s::text[]
              ORDER BY created_at LIMIT 1)
RETURNING id;

-- name: get
SELECT asset.id, asset.key_id, asset.hash, blob.size_bytes, asset.content_type, asset.file_path, asset.tags,
       asset.job_id, asset.created_at, COALESCE(asset.expires_at, job.expires_at) AS expires_at
  FROM assets AS asset
  JOIN blobs AS blob ON blob.hash = asset.hash
  LEFT JOIN jobs AS job ON job.id = asset.job_id
 WHERE asset.id = %(asset_id)s AND (%(key_id)s::uuid IS NULL OR asset.key_id = %(key_id)s);

-- name: uploads_by_name
-- The newest upload of each name. What a caller only linked to, or sent along with a job, was given its name by nobody:
-- its named_at is -infinity.
SELECT DISTINCT ON (file_path) file_path, id
  FROM assets
 WHERE key_id = %(key_id)s AND job_id IS NULL
   AND md5(file_path) IN (SELECT md5(name) FROM unnest(%(names)s::text[]) AS name)  -- as assets_by_name has them
   AND file_path = ANY(%(names)s::text[])
   AND (expires_at IS NULL OR expires_at > now())
   AND named_at IS DISTINCT FROM '-infinity'
 ORDER BY file_path, COALESCE(named_at, created_at) DESC, id;

-- name: upload_of_name
SELECT id, hash
  FROM assets
 WHERE key_id = %(key_id)s AND job_id IS NULL AND md5(file_path) = md5(%(name)s) AND file_path = %(name)s
   AND (expires_at IS NULL OR expires_at > now())
   AND named_at IS DISTINCT FROM '-infinity'
 ORDER BY COALESCE(named_at, created_at) DESC, id
 LIMIT 1;

-- name: lock_name
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 160));

-- name: upload_names
-- The names that a key's uploads for the input folder have, the newest first.
SELECT DISTINCT file_path FROM assets
 WHERE key_id = %(key_id)s AND job_id IS NULL AND file_path IS NOT NULL
   AND (expires_at IS NULL OR expires_at > now()) AND named_at IS DISTINCT FROM '-infinity'
   AND right(file_path, 7) <> ' [temp]'
 LIMIT %(most)s;

-- name: outputs_of_jobs
SELECT output.job_id, output.name, asset.file_path, asset.id
  FROM outputs AS output
  JOIN jobs AS job ON job.id = output.job_id
  JOIN assets AS asset ON asset.id = output.asset_id
 WHERE job.id = ANY(%(jobs)s::uuid[]) AND job.key_id = %(key_id)s
 ORDER BY output.position;

-- name: lock
-- Nobody can begin to read these: job_inputs' foreign key waits for this lock.
SELECT id, hash, job_id,
       job_id IS NOT NULL OR EXISTS (SELECT FROM outputs WHERE asset_id = assets.id) AS is_output
  FROM assets
 WHERE id = ANY(%(assets)s::uuid[]) AND (%(key_id)s::uuid IS NULL OR key_id = %(key_id)s)
 ORDER BY id FOR UPDATE;

-- name: of_jobs
SELECT id FROM assets WHERE job_id = ANY(%(jobs)s::uuid[]);

-- name: readers
-- Who reads these, with a lock that a retry waits for: a state that is about to change is waited for, too.
SELECT input.asset_id, job.state::text AS state
  FROM job_inputs AS input JOIN jobs AS job ON job.id = input.job_id
 WHERE input.asset_id = ANY(%(assets)s::uuid[])
 ORDER BY job.id FOR SHARE OF job;

-- name: delete
DELETE FROM assets WHERE id = ANY(%(assets)s::uuid[]) AND (%(before)s::timestamptz IS NULL OR expires_at < %(before)s)
RETURNING hash;

-- name: delete_jobs
WITH gone AS (
    DELETE FROM jobs
     WHERE id = ANY(%(jobs)s::uuid[]) AND state = ANY(%(terminal)s::job_state[])
       AND (%(before)s::timestamptz IS NULL OR expires_at < %(before)s)
    RETURNING id
), seen AS (
    DELETE FROM previews WHERE job_id IN (SELECT id FROM gone)
)
SELECT id FROM gone;

-- name: expired_jobs
SELECT job.id FROM jobs AS job
 WHERE job.expires_at < %(before)s AND job.state IN ('succeeded', 'failed', 'canceled', 'expired')  -- as jobs_expires has it
   AND NOT EXISTS (SELECT FROM assets AS asset
                     JOIN job_inputs AS input ON input.asset_id = asset.id
                     JOIN jobs AS reader ON reader.id = input.job_id
                    WHERE asset.job_id = job.id AND reader.state <> ALL(%(terminal)s::job_state[]))
 ORDER BY job.expires_at LIMIT %(most)s;

-- name: expired_assets
SELECT asset.id FROM assets AS asset
 WHERE asset.expires_at < %(before)s AND asset.job_id IS NULL
   AND NOT EXISTS (SELECT FROM outputs WHERE asset_id = asset.id)
   AND NOT EXISTS (SELECT FROM job_inputs AS input
                     JOIN jobs AS reader ON reader.id = input.job_id
                    WHERE input.asset_id = asset.id AND reader.state <> ALL(%(terminal)s::job_state[]))
 ORDER BY asset.expires_at LIMIT %(most)s;

-- name: total
SELECT count(*) AS total, COALESCE(sum(size_bytes), 0)::bigint AS bytes FROM blobs;

-- name: oldest
-- Blobs that nothing live uses: no open job made them or reads them, or reads what their makers made beside.
SELECT blob.hash FROM blobs AS blob
 WHERE blob.touched_at < now() - make_interval(secs => %(grace)s)
   AND NOT EXISTS (SELECT FROM assets AS asset
                     LEFT JOIN jobs AS maker ON maker.id = asset.job_id
                     LEFT JOIN assets AS sibling ON sibling.job_id = maker.id
                     LEFT JOIN job_inputs AS input ON input.asset_id = asset.id OR input.asset_id = sibling.id
                     LEFT JOIN jobs AS reader ON reader.id = input.job_id
                    WHERE asset.hash = blob.hash
                      AND (maker.state <> ALL(%(terminal)s::job_state[])
                           OR reader.state <> ALL(%(terminal)s::job_state[])))
   AND NOT EXISTS (SELECT FROM thumbnails WHERE thumbnail = blob.hash)  -- it goes with its picture
 ORDER BY blob.touched_at LIMIT %(most)s;

-- name: of_blob
SELECT id, job_id FROM assets WHERE hash = %(hash)s;

-- name: look
-- What the sweep has to look at: bytes that were touched before `until`, and since `since`, if that is a time. Bytes are
-- touched before an asset is made of them, in a transaction that is over within two minutes; so it goes back by three.
-- Once a day it is everything, and when the clock was set back.
SELECT is_whole, now() - make_interval(secs => %(grace)s) AS until,
       CASE WHEN NOT is_whole THEN touched_at - interval '3 minutes' END AS since
  FROM (SELECT max(touched_at) AS touched_at,
               COALESCE(max(whole_at) NOT BETWEEN now() - interval '1 day' AND now(), true) AS is_whole
          FROM swept) AS last;

-- name: orphans
SELECT hash FROM blobs AS blob
 WHERE touched_at >= COALESCE(%(since)s::timestamptz, '-infinity') AND touched_at < %(until)s
   AND NOT EXISTS (SELECT FROM assets WHERE hash = blob.hash)
   AND NOT EXISTS (SELECT FROM thumbnails WHERE thumbnail = blob.hash)
 LIMIT %(most)s;

-- name: looked
INSERT INTO swept AS own (touched_at, whole_at) VALUES (%(until)s, now())
    ON CONFLICT (is_row) DO UPDATE
   SET touched_at = excluded.touched_at, whole_at = CASE WHEN %(is_whole)s THEN now() ELSE own.whole_at END;

-- name: loose
-- What an asset named that is gone. Bytes that were touched lately are left for later.
SELECT hash, max(id) AS newest
  FROM loose_blobs AS loose
 WHERE NOT EXISTS (SELECT FROM blobs
                    WHERE blobs.hash = loose.hash AND touched_at >= now() - make_interval(secs => %(grace)s))
 GROUP BY hash LIMIT %(most)s;

-- name: drop_loose
-- Not what another asset that is gone since has added: its bytes may have been in use until then.
DELETE FROM loose_blobs AS loose
 USING unnest(%(hashes)s::text[], %(newest)s::bigint[]) AS looked (hash, newest)
 WHERE loose.hash = looked.hash AND loose.id <= looked.newest;

-- name: lock_old_blob
SELECT size_bytes FROM blobs
 WHERE hash = %(hash)s AND touched_at < now() - make_interval(secs => %(grace)s) FOR UPDATE;

-- name: is_used
SELECT FROM assets WHERE hash = %(hash)s
UNION ALL SELECT FROM thumbnails WHERE thumbnail = %(hash)s LIMIT 1;

-- name: delete_blob
DELETE FROM blobs WHERE hash = %(hash)s;
