-- What a change of a job was, as a word that statements can ask for; the sentence beside it is for people.

-- Whoever migrates while others work waits for them here, and they for the migration, always in this order.
LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE;

CREATE TYPE transition_kind AS ENUM (
    'submitted',     -- recorded and queued
    'claimed',       -- a worker took it
    'began',         -- a ComfyUI runs it
    'lost',          -- queued again: its ComfyUI has lost it
    'freed',         -- queued again: memory was freed on its ComfyUI
    'given_back',    -- queued again for another reason: no ComfyUI has it
    'handed_back',   -- its worker leaves it where it is
    'put_off',       -- left where it is for a while: the worker could not see to it
    'out_of_reach',  -- left where it is for a while: the worker does not reach its ComfyUI
    'cancel_asked',  -- somebody wants it to end
    'ended',         -- its new state says how
    'retried'        -- somebody has queued a job that had ended once more
);

-- What older processes mean, who write the sentence alone. Their words stay as they are in this version.
CREATE FUNCTION kind_of(from_state job_state, to_state job_state, reason text) RETURNS transition_kind
LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN from_state IS NULL THEN 'submitted'::transition_kind
            WHEN to_state IN ('succeeded', 'failed', 'canceled', 'expired') THEN 'ended'
            WHEN to_state = 'queued' AND from_state IN ('failed', 'canceled', 'expired') THEN 'retried'
            WHEN to_state = 'canceling' AND from_state <> 'canceling' THEN 'cancel_asked'
            WHEN to_state = 'running' AND from_state = 'queued' THEN 'began'
            WHEN reason = 'a worker took it' THEN 'claimed'
            WHEN reason LIKE 'put off: %' THEN 'put_off'
            WHEN reason LIKE '% is out of reach of %' THEN 'out_of_reach'
            WHEN reason LIKE 'lost: %' THEN 'lost'
            WHEN reason LIKE '%: memory was freed for another try' THEN 'freed'
            WHEN reason IN ('its worker stops', 'it is on no server any more') THEN 'handed_back'
            ELSE 'given_back' END
$$;

-- A view keeps the table's old name and columns: older processes read all columns that there are, and know no other.
ALTER TABLE transitions RENAME TO job_transitions;
ALTER TABLE job_transitions ADD COLUMN kind transition_kind;
UPDATE job_transitions SET kind = kind_of(from_state, to_state, reason);
ALTER TABLE job_transitions ALTER COLUMN kind SET NOT NULL;
CREATE VIEW transitions AS
    SELECT event_id, job_id, from_state, to_state, attempt, worker, server, at, reason FROM job_transitions;

CREATE FUNCTION say_kind() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.kind := kind_of(NEW.from_state, NEW.to_state, NEW.reason);
    RETURN NEW;
END $$;
CREATE TRIGGER say_kind BEFORE INSERT ON job_transitions
    FOR EACH ROW WHEN (NEW.kind IS NULL) EXECUTE FUNCTION say_kind();
