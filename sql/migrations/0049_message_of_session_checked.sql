-- transaction: each statement
-- Checks what 0048 left to check, and builds the keys of messages about sessions. Blocks nobody.

ALTER TABLE session VALIDATE CONSTRAINT session_time_version_range;

ALTER TABLE reminder_log VALIDATE CONSTRAINT reminder_log_session_fkey;

ALTER TABLE reminder_log VALIDATE CONSTRAINT reminder_log_of_session_for_provider;

ALTER TABLE idempotency_key VALIDATE CONSTRAINT idempotency_key_session_fkey;

ALTER TABLE idempotency_key VALIDATE CONSTRAINT idempotency_key_of_one;

-- An index whose building was interrupted is there, and invalid: each is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS reminder_log_once_for_session;

-- One message for the session, whichever of its appointments it was planned with, and whoever writes it.
CREATE UNIQUE INDEX CONCURRENTLY reminder_log_once_for_session
    ON reminder_log (organization_id, session_id, time_version, kind, provider_id, channel)
    WHERE (NOT is_resend AND session_id IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS reminder_log_once_of_appointment_for_provider;

-- In place of reminder_log_once_for_provider, in which a row about a session would stand in the way of one about its
-- appointment.
CREATE UNIQUE INDEX CONCURRENTLY reminder_log_once_of_appointment_for_provider
    ON reminder_log (organization_id, appointment_id, time_version, kind, provider_id, channel)
    WHERE (NOT is_resend AND provider_id IS NOT NULL AND session_id IS NULL);

DROP INDEX CONCURRENTLY IF EXISTS reminder_log_once_for_provider;
