-- What the reader of calendar feeds remembers of each: how far ahead it was last read whole, and when its owner was told
-- that it fails. Blocks changes of busy sources for an instant.

ALTER TABLE busy_source ADD COLUMN expanded_until integer;

ALTER TABLE busy_source ADD COLUMN warned_at timestamptz;

ALTER TABLE busy_source
    ADD CONSTRAINT busy_source_expanded CHECK (url IS NOT NULL OR num_nonnulls(expanded_until, warned_at) = 0);
