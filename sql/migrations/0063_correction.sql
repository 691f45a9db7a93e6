-- Corrections of what was given for an appointment, notes of the staff, and manage links that can be replaced. What is there
-- already has no notes and the links that it had, and so has what earlier programs write.
-- Blocks changes of appointments and the sending of messages for an instant. The constraints are checked for new rows from
-- here on, and for those that are there by 0064.

ALTER TABLE appointment ADD COLUMN staff_notes text;
ALTER TABLE appointment ADD COLUMN manage_generation integer NOT NULL DEFAULT 0;
ALTER TABLE appointment
    ADD CONSTRAINT appointment_staff_notes_length CHECK (char_length(staff_notes) BETWEEN 1 AND 2000) NOT VALID;
ALTER TABLE appointment
    ADD CONSTRAINT appointment_manage_generation_range CHECK (manage_generation >= 0) NOT VALID;

-- Whether an address was replaced stays known once the customer is erased: it says how time versions are counted.
ALTER TABLE appointment_history ADD COLUMN is_readdressed boolean NOT NULL DEFAULT false;
ALTER TABLE appointment_history ADD COLUMN former_email text;
ALTER TABLE appointment_history ADD COLUMN former_phone text;
ALTER TABLE appointment_history
    ADD CONSTRAINT appointment_history_former_of_correction
    CHECK (is_readdressed OR (former_email IS NULL AND former_phone IS NULL)) NOT VALID;

ALTER TABLE appointment_history DROP CONSTRAINT appointment_history_kind_known;
ALTER TABLE appointment_history
    ADD CONSTRAINT appointment_history_kind_known
    CHECK (kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'COMPLETED', 'NO_SHOW', 'CORRECTED')) NOT VALID;
ALTER TABLE appointment_history DROP CONSTRAINT appointment_history_transition_known;
ALTER TABLE appointment_history
    ADD CONSTRAINT appointment_history_transition_known
    CHECK (kind || ' ' || coalesce(from_status, '-') || ' ' || to_status IN (
        'BOOKED - CONFIRMED',
        'RESCHEDULED CONFIRMED CONFIRMED',
        'CANCELLED CONFIRMED CANCELLED',
        'COMPLETED CONFIRMED COMPLETED',
        'COMPLETED NO_SHOW COMPLETED',
        'NO_SHOW CONFIRMED NO_SHOW',
        'NO_SHOW COMPLETED NO_SHOW',
        'CORRECTED CONFIRMED CONFIRMED',
        'CORRECTED CANCELLED CANCELLED',
        'CORRECTED COMPLETED COMPLETED',
        'CORRECTED NO_SHOW NO_SHOW'
    )) NOT VALID;

ALTER TABLE message_outbox DROP CONSTRAINT message_outbox_kind_known;
ALTER TABLE message_outbox
    ADD CONSTRAINT message_outbox_kind_known
    CHECK (kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE', 'CORRECTED', 'READDRESSED'))
    NOT VALID;
ALTER TABLE message_template DROP CONSTRAINT message_template_kind_known;
ALTER TABLE message_template
    ADD CONSTRAINT message_template_kind_known
    CHECK (kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE', 'CORRECTED', 'READDRESSED'))
    NOT VALID;
ALTER TABLE reminder_log DROP CONSTRAINT reminder_log_kind_known;
ALTER TABLE reminder_log
    ADD CONSTRAINT reminder_log_kind_known
    CHECK (kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE', 'CORRECTED', 'READDRESSED'))
    NOT VALID;
