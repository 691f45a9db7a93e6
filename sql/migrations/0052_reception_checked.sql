-- transaction: each statement
-- Checks what 0051 left to check. Blocks nobody.

ALTER TABLE appointment_history VALIDATE CONSTRAINT appointment_history_actor_known;

ALTER TABLE event VALIDATE CONSTRAINT event_actor_known;

ALTER TABLE event VALIDATE CONSTRAINT event_names_staff_only;
