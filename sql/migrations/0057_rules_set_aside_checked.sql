-- transaction: each statement
-- Checks what 0056 left to check. Blocks nobody.

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_ignored_known;

ALTER TABLE hold VALIDATE CONSTRAINT hold_ignored_known;

ALTER TABLE appointment_history VALIDATE CONSTRAINT appointment_history_ignored_known;
