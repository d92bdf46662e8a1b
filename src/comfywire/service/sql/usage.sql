-- What a key has used, by day (UTC), as far as its jobs are still kept.

-- name: by_day
WITH days AS (
    SELECT generate_series(date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => %(days)s - 1),
                           date_trunc('day', now() AT TIME ZONE 'UTC'), interval '1 day') AS day
), ran AS (
    SELECT date_trunc('day', created_at AT TIME ZONE 'UTC') AS day, count(*) AS jobs,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           COALESCE(sum(EXTRACT(EPOCH FROM COALESCE(completed_at, now()) - started_at)), 0)::float8 AS run_seconds
      FROM jobs
     WHERE key_id = %(key_id)s AND created_at >= now() - make_interval(days => %(days)s)
     GROUP BY 1
), made AS (
    SELECT date_trunc('day', asset.created_at AT TIME ZONE 'UTC') AS day, sum(blob.size_bytes)::bigint AS bytes
      FROM assets AS asset JOIN blobs AS blob ON blob.hash = asset.hash
     WHERE asset.key_id = %(key_id)s AND asset.created_at >= now() - make_interval(days => %(days)s)
     GROUP BY 1
)
SELECT days.day::date AS day, COALESCE(ran.jobs, 0) AS jobs, COALESCE(ran.failed, 0) AS failed,
       COALESCE(ran.run_seconds, 0) AS run_seconds, COALESCE(made.bytes, 0) AS bytes
  FROM days LEFT JOIN ran ON ran.day = days.day LEFT JOIN made ON made.day = days.day
 ORDER BY days.day DESC;
