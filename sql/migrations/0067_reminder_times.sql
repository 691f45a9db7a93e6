-- When an organization reminds: so many minutes before the start, the longest first. A day and an hour, for those that are
-- there and for those that earlier programs create. Reminders at other times are messages of a kind that has the minutes in
-- it, such as BEFORE_45, since an appointment may have several of them.
-- Blocks the sending of messages for an instant. The constraints are checked for new rows from here on, and for those that
-- are there by 0068.

ALTER TABLE organization ADD COLUMN reminder_minutes_before integer[] NOT NULL DEFAULT '{1440,60}';
ALTER TABLE organization
    ADD CONSTRAINT organization_reminders_range
    CHECK (cardinality(reminder_minutes_before) <= 5 AND 5 <= ALL (reminder_minutes_before)
        AND 43200 >= ALL (reminder_minutes_before));

ALTER TABLE message_outbox DROP CONSTRAINT message_outbox_kind_known;
ALTER TABLE message_outbox
    ADD CONSTRAINT message_outbox_kind_known
    CHECK (kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE', 'CORRECTED', 'READDRESSED')
        OR kind ~ '^BEFORE_[1-9][0-9]{0,4}$')
    NOT VALID;

ALTER TABLE reminder_log DROP CONSTRAINT reminder_log_kind_known;
-- BEFORE alone is a reminder that staff sent by hand.
ALTER TABLE reminder_log
    ADD CONSTRAINT reminder_log_kind_known
    CHECK (kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE', 'CORRECTED', 'READDRESSED')
        OR kind ~ '^BEFORE(_[1-9][0-9]{0,4})?$')
    NOT VALID;

ALTER TABLE message_template DROP CONSTRAINT message_template_kind_known;
ALTER TABLE message_template
    ADD CONSTRAINT message_template_kind_known
    CHECK (kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE', 'CORRECTED', 'READDRESSED', 'BEFORE'));
