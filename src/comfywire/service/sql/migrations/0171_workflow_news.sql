-- That workflows were registered or retired is told to every process: agents keep lists of them.
CREATE FUNCTION comfywire_workflow_news() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('comfywire_workflows', '');
    RETURN NULL;
END $$;
CREATE TRIGGER comfywire_workflow_news AFTER INSERT OR UPDATE ON workflows
    FOR EACH STATEMENT EXECUTE FUNCTION comfywire_workflow_news();
