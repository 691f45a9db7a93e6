-- Which rules of time staff set aside: for an appointment as it is, for a hold, and in one change of an appointment. Null
-- where none was, as in all that is there already and in what earlier programs write.
-- Blocks changes of appointments, holds and histories for an instant. The constraints are checked for new rows from here
-- on, and for those that are there by 0057.

ALTER TABLE appointment ADD COLUMN ignored text[];
ALTER TABLE appointment
    ADD CONSTRAINT appointment_ignored_known
    CHECK (ignored <> '{}' AND ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS}'::text[]) NOT VALID;

ALTER TABLE hold ADD COLUMN ignored text[];
ALTER TABLE hold
    ADD CONSTRAINT hold_ignored_known
    CHECK (ignored <> '{}' AND ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS}'::text[]) NOT VALID;

ALTER TABLE appointment_history ADD COLUMN ignored text[];
ALTER TABLE appointment_history
    ADD CONSTRAINT appointment_history_ignored_known
    CHECK (ignored <> '{}' AND ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS}'::text[]) NOT VALID;
