-- Small pictures for galleries. Each is a blob of its own; the sweep spares it while its picture is there.

CREATE TABLE thumbnails (
    hash text NOT NULL REFERENCES blobs ON DELETE CASCADE, -- the picture's
    size integer NOT NULL,                                 -- the most pixels of a side
    thumbnail text NOT NULL REFERENCES blobs,              -- its bytes, as WebP
    width integer NOT NULL,                                -- the picture's own
    height integer NOT NULL,
    PRIMARY KEY (hash, size)
);
CREATE INDEX thumbnails_by_thumbnail ON thumbnails (thumbnail);
