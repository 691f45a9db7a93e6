-- Reception as an author: of changes of appointments, and of events. Blocks changes of appointments for an instant. The
-- constraints are checked for new rows from here on, and for those that are there by 0052.

ALTER TABLE appointment_history DROP CONSTRAINT appointment_history_actor_known;
ALTER TABLE appointment_history
    ADD CONSTRAINT appointment_history_actor_known
    CHECK (actor IN ('GUEST', 'MANAGE_TOKEN', 'CUSTOMER', 'PROVIDER', 'RECEPTION', 'ADMIN', 'SYSTEM')) NOT VALID;

ALTER TABLE event DROP CONSTRAINT event_actor_known;
ALTER TABLE event
    ADD CONSTRAINT event_actor_known
    CHECK (actor IN ('GUEST', 'MANAGE_TOKEN', 'CUSTOMER', 'PROVIDER', 'RECEPTION', 'ADMIN', 'SYSTEM')) NOT VALID;

ALTER TABLE event DROP CONSTRAINT event_names_staff_only;
ALTER TABLE event
    ADD CONSTRAINT event_names_staff_only
    CHECK (actor_subject IS NULL OR actor IN ('PROVIDER', 'RECEPTION', 'ADMIN')) NOT VALID;
