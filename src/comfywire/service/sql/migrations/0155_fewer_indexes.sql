-- A job's row is written three times, and each time into every index that has it: so one index serves for two where it can.

-- What a need has made lately, and whether any job has it: in place of jobs_took and jobs_by_need.
CREATE INDEX jobs_of_need ON jobs (need, completed_at DESC NULLS LAST);
DROP INDEX jobs_took;
DROP INDEX jobs_by_need;

-- What ended lately is found by jobs_expires, and what runs by jobs_submitted, which has as few.
DROP INDEX jobs_took_lately;
DROP INDEX jobs_running;
