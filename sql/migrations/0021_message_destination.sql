-- Where messages to customers go: counted where one is written to the log, so that nobody who fills in a booking's form
-- floods somebody else's mailbox.

-- A keyed hash of the address, in the form in which it is counted; null for messages that are not: those to providers, and
-- those that were never to go out.
ALTER TABLE reminder_log
    ADD COLUMN destination bytea,
    ADD CONSTRAINT reminder_log_destination_length CHECK (octet_length(destination) = 16);

-- What one destination was sent lately. It holds what counts, and no more.
CREATE INDEX reminder_log_by_destination ON reminder_log (organization_id, destination, created_at)
    WHERE (destination IS NOT NULL AND status <> 'SKIPPED');
