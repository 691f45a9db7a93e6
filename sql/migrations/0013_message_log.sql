-- The reminder log holds every message about an appointment, not only reminders; it knows what the gateway calls a message,
-- and what was on its way when a worker died. The unique key still makes a second message of the same kind, for the same
-- time of the same appointment, impossible to record; a resend is a row of its own, made on purpose.

ALTER TABLE reminder_log
    ADD COLUMN is_resend boolean NOT NULL DEFAULT false,
    ADD COLUMN created_at timestamptz NOT NULL,
    -- The gateway's or the mail server's own name for the message.
    ADD COLUMN provider_message_id text,
    -- A text message that may be on the wire, and since when, by the real clock: whoever finds this on a row whose lease
    -- is over asks the gateway before sending again. Forgotten as soon as its fate is known.
    ADD COLUMN wire_text text,
    ADD COLUMN wire_since timestamptz,
    DROP CONSTRAINT reminder_log_once,
    DROP CONSTRAINT reminder_log_kind_known,
    ADD CONSTRAINT reminder_log_kind_known CHECK (
        kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE')
    ),
    -- Nobody touches a row that waits before this instant of the real clock: a worker has it, or it is to be tried again.
    ADD CONSTRAINT reminder_log_leased CHECK ((status = 'PENDING') = (lease_until IS NOT NULL)),
    ADD CONSTRAINT reminder_log_wire_whole CHECK (
        (wire_text IS NULL) = (wire_since IS NULL) AND (wire_text IS NULL OR status = 'PENDING')
    ),
    ADD CONSTRAINT reminder_log_detail_length CHECK (char_length(detail) BETWEEN 1 AND 500),
    ADD CONSTRAINT reminder_log_provider_message_id_length CHECK (char_length(provider_message_id) BETWEEN 1 AND 200);

CREATE UNIQUE INDEX reminder_log_once
    ON reminder_log (organization_id, appointment_id, time_version, kind, recipient, channel) WHERE (NOT is_resend);
-- One resend at a time: a double click sends once.
CREATE UNIQUE INDEX reminder_log_one_resend
    ON reminder_log (organization_id, appointment_id, kind, recipient, channel)
    WHERE (is_resend AND status = 'PENDING');
-- All messages of an appointment, in order.
CREATE INDEX reminder_log_by_appointment ON reminder_log (organization_id, appointment_id, due_at, id);
-- The sweep of what waits to be sent.
CREATE INDEX reminder_log_waiting ON reminder_log (lease_until) WHERE (status = 'PENDING');
