-- What programs for one ComfyUI ask it beside its node types, and that the fleet answers together.
ALTER TABLE servers ADD COLUMN facts jsonb NOT NULL DEFAULT '{}';  -- {"system", "models": {folder: [name]}, "embeddings"}
-- Whether somebody wants it to let go of its models.
ALTER TABLE servers ADD COLUMN free_wanted boolean NOT NULL DEFAULT false;
