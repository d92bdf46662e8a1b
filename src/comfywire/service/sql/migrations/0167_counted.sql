-- What there is too much of to count whenever somebody asks (database/counted.py): as it was counted last, for all
-- processes. None of it is lost with a crash: it is counted anew.
CREATE UNLOGGED TABLE counted (
    name text PRIMARY KEY,                       -- which query
    rows jsonb NOT NULL,                         -- what it answered
    as_of timestamptz NOT NULL,
    good_until timestamptz NOT NULL,             -- then somebody counts anew
    claimed_at timestamptz NOT NULL DEFAULT '-infinity' -- who does just now
);
