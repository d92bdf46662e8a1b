-- Small pictures of pictures.

-- name: get
SELECT small.thumbnail, blob.size_bytes
  FROM thumbnails AS small JOIN blobs AS blob ON blob.hash = small.thumbnail
 WHERE small.hash = %(hash)s AND small.size = %(size)s;

-- name: insert
INSERT INTO thumbnails (hash, size, thumbnail, width, height)
VALUES (%(hash)s, %(size)s, %(thumbnail)s, %(width)s, %(height)s)
    ON CONFLICT DO NOTHING;
