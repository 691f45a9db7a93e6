-- transaction: each statement
-- Checks what 0100 left to check, and the constraints before it had. Blocks nobody.

ALTER TABLE appointment_history VALIDATE CONSTRAINT appointment_history_sound;

ALTER TABLE event VALIDATE CONSTRAINT event_sound;
