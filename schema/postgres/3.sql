-- Storage format: names and columns stay as they are. How often a view's rows were changed otherwise than by folding on.

ALTER TABLE checkpoints ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
