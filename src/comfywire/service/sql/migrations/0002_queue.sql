-- What we add to the engine's tables; run after Procrastinate's own schema.

-- The head of one need's queue, whatever else waits: claims stay cheap with 100,000 jobs queued.
CREATE INDEX procrastinate_jobs_heads ON procrastinate_jobs (queue_name, priority DESC, id) WHERE status = 'todo';
