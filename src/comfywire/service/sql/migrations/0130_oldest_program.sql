-- A step that takes away what older programs use names in its first line the oldest one that may go on, as
-- "-- oldest program: 0.2.0"; an older one refuses to start (migrate.py).
ALTER TABLE versions ADD COLUMN oldest_program text;
