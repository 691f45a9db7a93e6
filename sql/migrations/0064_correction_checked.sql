-- transaction: each statement
-- Checks what 0063 left to check. Blocks nobody.

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_staff_notes_length;

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_manage_generation_range;

ALTER TABLE appointment_history VALIDATE CONSTRAINT appointment_history_former_of_correction;

ALTER TABLE appointment_history VALIDATE CONSTRAINT appointment_history_kind_known;

ALTER TABLE appointment_history VALIDATE CONSTRAINT appointment_history_transition_known;

ALTER TABLE message_outbox VALIDATE CONSTRAINT message_outbox_kind_known;

ALTER TABLE message_template VALIDATE CONSTRAINT message_template_kind_known;

ALTER TABLE reminder_log VALIDATE CONSTRAINT reminder_log_kind_known;
