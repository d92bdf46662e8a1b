-- Registered workflows: versions are only ever added and retired, so that a job can always say what it was made of.

-- name: lock_names
-- In one order for everybody, so that two who want the same two names never wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended(name, 6)) FROM (SELECT unnest(%(names)s::text[]) AS name ORDER BY 1) AS names;

-- name: add
WITH added AS (
    INSERT INTO workflows (name, version, key_id, description, prompt, document, parameters, options)
    SELECT %(name)s, COALESCE(max(version), 0) + 1, %(key_id)s, %(description)s, %(prompt)s, %(document)s, %(parameters)s,
           %(options)s
      FROM workflows WHERE name = %(name)s
    RETURNING name, version
)
INSERT INTO workflow_annotations (name, version, annotations) SELECT name, version, %(annotations)s FROM added;

-- name: columns
-- A version, the other names of its workflow, and what older programs cannot read of its parameters.
*, ARRAY(SELECT alias FROM aliases WHERE aliases.name = workflows.name ORDER BY alias) AS aliases,
COALESCE((SELECT annotations FROM workflow_annotations AS noted
           WHERE noted.name = workflows.name AND noted.version = workflows.version), '{}') AS annotations

-- name: get
SELECT
-- include: workflows.columns
  FROM workflows
 WHERE name = %(name)s AND retired_at IS NULL AND (%(version)s::int IS NULL OR version = %(version)s)
 ORDER BY version DESC
 LIMIT 1;

-- name: called
-- The newest version of the workflow that has this name, or this alias.
SELECT
-- include: workflows.columns
  FROM workflows
 WHERE name IN (SELECT %(name)s UNION ALL SELECT aliases.name FROM aliases WHERE alias = %(name)s)
   AND retired_at IS NULL
 ORDER BY version DESC
 LIMIT 1;

-- name: list
-- The newest of each name.
SELECT
-- include: workflows.columns
  FROM (SELECT DISTINCT ON (name) * FROM workflows WHERE retired_at IS NULL ORDER BY name, version DESC) AS workflows
 ORDER BY name;

-- name: versions
SELECT
-- include: workflows.columns
  FROM workflows WHERE name = %(name)s ORDER BY version DESC;

-- name: taken
-- Which of these names is another workflow's already: its name, or an alias of it.
SELECT alias AS taken, name FROM aliases WHERE alias = ANY(%(names)s) AND name <> %(name)s
UNION ALL
SELECT name, name FROM workflows WHERE name = ANY(%(names)s) AND name <> %(name)s AND retired_at IS NULL
LIMIT 1;

-- name: drop_aliases
DELETE FROM aliases WHERE name = %(name)s;

-- name: add_aliases
INSERT INTO aliases (alias, name) SELECT DISTINCT unnest(%(aliases)s::text[]), %(name)s;

-- name: retire
UPDATE workflows SET retired_at = now()
 WHERE name = %(name)s AND retired_at IS NULL AND (%(version)s::int IS NULL OR version = %(version)s);

-- name: drop_aliases_of_retired
DELETE FROM aliases
 WHERE name = %(name)s
   AND NOT EXISTS (SELECT FROM workflows WHERE workflows.name = aliases.name AND retired_at IS NULL);
