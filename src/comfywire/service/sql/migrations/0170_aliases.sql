-- Names of other APIs' models, such as gpt-image-1, under which programs that know no other name run a workflow.
-- They belong to the name of a workflow, and not to a version of it.
CREATE TABLE aliases (
    alias text PRIMARY KEY,
    name text NOT NULL
);
CREATE INDEX aliases_by_name ON aliases (name);
