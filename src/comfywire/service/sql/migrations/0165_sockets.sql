-- Who listens on ComfyUI's own /ws, and what workers have to say to them. Neither outlives a crash of PostgreSQL, and
-- neither has to: sockets are gone then, and what was said is news, not results.

CREATE UNLOGGED TABLE native_sockets (
    id uuid PRIMARY KEY,
    process uuid NOT NULL,                       -- which holds the socket
    key_id uuid NOT NULL,
    client_id text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),  -- by its process, which says so now and then
    closed_at timestamptz
);
CREATE INDEX native_sockets_by_client ON native_sockets (key_id, client_id);
CREATE INDEX native_sockets_by_process ON native_sockets (process);

CREATE UNLOGGED TABLE native_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process uuid NOT NULL,                       -- which is to read it, and takes it away
    job_id uuid NOT NULL,
    key_id uuid NOT NULL,
    client_id text NOT NULL,
    socket uuid,                                 -- the one that it is for; NULL for all of the client_id
    kind text NOT NULL,
    text text,
    bytes bytea,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX native_messages_by_process ON native_messages (process, id);

-- Triggers say that a job of ComfyUI's own API was queued or has ended, and not the statements that do it: so nobody can
-- end one without its sockets being told, and they are told when the end is in the store.
CREATE FUNCTION comfywire_tell_native() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('comfywire_native', format('%s %s %s', TG_ARGV[0], NEW.key_id, NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER comfywire_native_queued AFTER INSERT ON jobs
    FOR EACH ROW WHEN (NEW.in_history IS NOT NULL)
    EXECUTE FUNCTION comfywire_tell_native('queued');
CREATE TRIGGER comfywire_native_ended AFTER UPDATE ON jobs
    FOR EACH ROW WHEN (NEW.in_history IS NOT NULL AND OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL)
    EXECUTE FUNCTION comfywire_tell_native('ended');
