-- Messages to a provider about all of a session, of which there is one however many appointments the session has; which
-- session an appointment was in before a change, and with how many seats; and keys of requests that moved a session.
-- Blocks changes of appointments and the sending of messages for an instant. The constraints are checked for new rows from
-- here on, and for those that are there by 0049, which builds the indexes.

-- Rises whenever the session's start or its providers change, as an appointment's does.
ALTER TABLE session ADD COLUMN time_version integer NOT NULL DEFAULT 1;
ALTER TABLE session
    ADD CONSTRAINT session_time_version_range CHECK (time_version >= 1 AND time_version <= version) NOT VALID;

ALTER TABLE appointment_history ADD COLUMN from_session_id uuid;
-- Null where the change left the seats as they were.
ALTER TABLE appointment_history ADD COLUMN from_seats integer;

-- The appointment of such a row is any one in the session, and its time version is the session's.
ALTER TABLE reminder_log ADD COLUMN session_id uuid;
ALTER TABLE reminder_log
    ADD CONSTRAINT reminder_log_session_fkey FOREIGN KEY (organization_id, session_id)
    REFERENCES session (organization_id, id) NOT VALID;
ALTER TABLE reminder_log
    ADD CONSTRAINT reminder_log_of_session_for_provider
    CHECK (session_id IS NULL OR (recipient IS NULL AND provider_id IS NOT NULL)) NOT VALID;

ALTER TABLE idempotency_key ADD COLUMN session_id uuid;
ALTER TABLE idempotency_key
    ADD CONSTRAINT idempotency_key_session_fkey FOREIGN KEY (organization_id, session_id)
    REFERENCES session (organization_id, id) NOT VALID;
ALTER TABLE idempotency_key DROP CONSTRAINT idempotency_key_of_one;
ALTER TABLE idempotency_key
    ADD CONSTRAINT idempotency_key_of_one CHECK (num_nonnulls(appointment_id, hold_id, session_id) = 1) NOT VALID;
