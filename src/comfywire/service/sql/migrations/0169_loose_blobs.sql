-- The sweep looks at bytes that may have become nobody's, and not at all bytes (assets/sweep.py).

-- Bytes that an asset named which is gone, and thumbnails of pictures that are. Triggers say so, and not the statements
-- that delete: a process of an older version deletes, too, while both run.
CREATE TABLE loose_blobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash text NOT NULL
);

CREATE FUNCTION comfywire_loosen_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO loose_blobs (hash) SELECT DISTINCT hash FROM gone;
    RETURN NULL;
END $$;
CREATE TRIGGER comfywire_loosen_blobs AFTER DELETE ON assets REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION comfywire_loosen_blobs();

-- Before, since they are forgotten with their picture (0180_thumbnails.sql).
CREATE FUNCTION comfywire_loosen_thumbnails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO loose_blobs (hash) SELECT thumbnail FROM thumbnails WHERE hash = OLD.hash;
    RETURN OLD;
END $$;
CREATE TRIGGER comfywire_loosen_thumbnails BEFORE DELETE ON blobs
    FOR EACH ROW EXECUTE FUNCTION comfywire_loosen_thumbnails();

-- How far the sweep has looked at bytes that were given or asked for: an asset may not have followed. No row: not yet.
CREATE TABLE swept (
    is_row boolean PRIMARY KEY DEFAULT true CHECK (is_row),
    touched_at timestamptz NOT NULL,             -- what was touched before that was looked at
    whole_at timestamptz NOT NULL                -- when all bytes were
);
