-- transaction: each statement
-- Checks what 0074 left to check. Blocks nobody.

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_ignored_any;

ALTER TABLE hold VALIDATE CONSTRAINT hold_ignored_any;

ALTER TABLE appointment_history VALIDATE CONSTRAINT appointment_history_ignored_any;
