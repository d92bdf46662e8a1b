-- What was set to what in a job's prompt, seeds drawn, by parameter or NODE.INPUT; NULL where nothing was set.
ALTER TABLE jobs ADD COLUMN bound jsonb;
