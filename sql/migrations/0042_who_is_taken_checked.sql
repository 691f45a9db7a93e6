-- transaction: each statement
-- Checks what 0041 left to check. Blocks nobody.

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_of_several;

ALTER TABLE hold VALIDATE CONSTRAINT hold_of_resources;

ALTER TABLE appointment_history VALIDATE CONSTRAINT appointment_history_assignment_known;
