-- transaction: each statement
-- Checks what 0043 left to check, and builds the keys of messages for providers. Blocks nobody.

ALTER TABLE reminder_log VALIDATE CONSTRAINT reminder_log_for_somebody;

ALTER TABLE reminder_log VALIDATE CONSTRAINT reminder_log_provider_of_side;

ALTER TABLE reminder_log VALIDATE CONSTRAINT reminder_log_provider_fkey;

-- An index whose building was interrupted is there, and invalid: each is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS reminder_log_once_for_provider;

CREATE UNIQUE INDEX CONCURRENTLY reminder_log_once_for_provider
    ON reminder_log (organization_id, appointment_id, time_version, kind, provider_id, channel)
    WHERE (NOT is_resend AND provider_id IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS reminder_log_one_resend_for_provider;

CREATE UNIQUE INDEX CONCURRENTLY reminder_log_one_resend_for_provider
    ON reminder_log (organization_id, appointment_id, kind, provider_id, channel)
    WHERE (is_resend AND status = 'PENDING' AND provider_id IS NOT NULL);
