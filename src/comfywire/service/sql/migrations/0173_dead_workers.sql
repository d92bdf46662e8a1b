-- When the engine forgot a worker, which is dead: from then on its servers wait for the shares of the others.
ALTER TABLE worker_names ADD COLUMN died_at timestamptz;
