-- Workers by the name under which they speak of servers, and the engine's number of each, which the engine forgets when
-- the worker is dead. Workers of older versions have no row, and are known by their silence alone.
CREATE TABLE worker_names (
    name text PRIMARY KEY,
    number bigint NOT NULL
);
