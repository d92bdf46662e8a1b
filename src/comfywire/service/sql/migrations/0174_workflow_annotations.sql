-- What newer versions say of a workflow's parameters: label, group and role of each, and the order of all. Older ones
-- refuse such keys in `workflows.parameters`, and read `SELECT *` there with statements that are prepared, which a
-- column more would break: so it has a table of its own.
CREATE TABLE workflow_annotations (
    name text NOT NULL,
    version integer NOT NULL,
    annotations jsonb NOT NULL,  -- {"order": {table: [name]}, "parameters": {name: {key: value}}, ...}
    PRIMARY KEY (name, version),
    FOREIGN KEY (name, version) REFERENCES workflows ON DELETE CASCADE
);

-- Versions that were not released kept it in `workflows.parameters`.
INSERT INTO workflow_annotations (name, version, annotations)
SELECT name, version, annotations
  FROM workflows, LATERAL (
       SELECT jsonb_object_agg(each.key, newer) AS parameters
         FROM jsonb_each(workflows.parameters -> 'parameters') AS each,
              LATERAL (SELECT each.value - ARRAY['type', 'inputs', 'default', 'min', 'max', 'step', 'choices', 'multiline',
                                                 'required', 'help'] AS newer) AS later
        WHERE newer <> '{}') AS more, LATERAL (
       SELECT workflows.parameters - ARRAY['parameters', 'outputs']
              || CASE WHEN more.parameters IS NULL THEN '{}'
                      ELSE jsonb_build_object('parameters', more.parameters) END AS annotations) AS taken
 WHERE annotations <> '{}';

UPDATE workflows
   SET parameters = jsonb_build_object(
       'outputs', COALESCE(parameters -> 'outputs', '{}'),
       'parameters', (SELECT COALESCE(jsonb_object_agg(each.key, each.value - ARRAY(
                              SELECT jsonb_object_keys(taken.annotations #> ARRAY['parameters', each.key]))), '{}')
                        FROM jsonb_each(parameters -> 'parameters') AS each))
  FROM workflow_annotations AS taken
 WHERE taken.name = workflows.name AND taken.version = workflows.version;
