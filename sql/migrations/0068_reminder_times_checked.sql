-- transaction: each statement
-- Checks what 0067 left to check. Blocks nobody.

ALTER TABLE message_outbox VALIDATE CONSTRAINT message_outbox_kind_known;

ALTER TABLE reminder_log VALIDATE CONSTRAINT reminder_log_kind_known;
