-- What waits is counted at each scrape and by the page, however many jobs have ended (bench/scale.py). All that is asked
-- of a waiting job stands in the index, so that its row, which has the graph, is not read. A job leaves it with its
-- first change of state.
CREATE INDEX jobs_waiting ON jobs (created_at) INCLUDE (priority, key_id, need, queue_id, submitted_at)
    WHERE state = 'queued';
