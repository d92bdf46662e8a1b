-- The folder that a job has for itself on a ComfyUI's disk, before what it saves; NULL without keys, and for older jobs.
ALTER TABLE jobs ADD COLUMN output_folder text;
