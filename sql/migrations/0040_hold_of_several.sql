-- Whom a hold takes, the lead first, and how many of them were named by the caller; null where it takes the hold's provider
-- alone, named, and so for what earlier programs write.
-- Blocks reading and writing of holds for an instant.

ALTER TABLE hold ADD COLUMN provider_ids uuid[];
ALTER TABLE hold ADD COLUMN named integer;
-- Reads the table once: holds are purged soon after they end.
ALTER TABLE hold
    ADD CONSTRAINT hold_of_several CHECK (
        (provider_ids IS NULL AND named IS NULL)
        OR (provider_ids[1] = provider_id AND named BETWEEN 0 AND cardinality(provider_ids)) IS TRUE
    );
