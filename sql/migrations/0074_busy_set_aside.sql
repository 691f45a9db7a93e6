-- Staff may set busy times aside. The new constraints take all that the old ones take. Blocks changes of appointments,
-- holds and histories for an instant; they are checked for new rows from here on, and for those that are there by 0075.

ALTER TABLE appointment
    ADD CONSTRAINT appointment_ignored_any
    CHECK (ignored <> '{}' AND ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS,BUSY_ELSEWHERE}'::text[]) NOT VALID;
ALTER TABLE appointment DROP CONSTRAINT appointment_ignored_known;

ALTER TABLE hold
    ADD CONSTRAINT hold_ignored_any
    CHECK (ignored <> '{}' AND ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS,BUSY_ELSEWHERE}'::text[]) NOT VALID;
ALTER TABLE hold DROP CONSTRAINT hold_ignored_known;

ALTER TABLE appointment_history
    ADD CONSTRAINT appointment_history_ignored_any
    CHECK (ignored <> '{}' AND ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS,BUSY_ELSEWHERE}'::text[]) NOT VALID;
ALTER TABLE appointment_history DROP CONSTRAINT appointment_history_ignored_known;
