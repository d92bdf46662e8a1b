-- What each key may still ask, over all processes of the API. After a crash everybody begins with a full minute.
CREATE UNLOGGED TABLE rates (
    key_id uuid PRIMARY KEY REFERENCES keys ON DELETE CASCADE,
    tokens double precision NOT NULL,            -- one for each request
    granted integer NOT NULL,                    -- how many of them the last process took
    at timestamptz NOT NULL DEFAULT now()
);
