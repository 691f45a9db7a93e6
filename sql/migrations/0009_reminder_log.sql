-- The reminder log: one row for each message that was due, with what became of it. The unique key makes a second
-- message of the same kind, for the same time of the same appointment, impossible to record.

CREATE TABLE reminder_log (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    time_version integer NOT NULL,
    kind text NOT NULL,
    recipient text NOT NULL,
    channel text NOT NULL,
    status text NOT NULL,
    due_at timestamptz NOT NULL,
    lease_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    sent_at timestamptz,
    detail text,
    CONSTRAINT reminder_log_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT reminder_log_appointment_fkey FOREIGN KEY (organization_id, appointment_id)
        REFERENCES appointment (organization_id, id),
    CONSTRAINT reminder_log_once UNIQUE (organization_id, appointment_id, time_version, kind, recipient, channel),
    CONSTRAINT reminder_log_kind_known CHECK (kind IN ('DAY_BEFORE', 'HOUR_BEFORE')),
    CONSTRAINT reminder_log_recipient_known CHECK (recipient IN ('CUSTOMER', 'PROVIDER')),
    CONSTRAINT reminder_log_channel_known CHECK (channel IN ('EMAIL', 'SMS')),
    CONSTRAINT reminder_log_status_known CHECK (status IN ('PENDING', 'SENT', 'FAILED', 'SKIPPED')),
    CONSTRAINT reminder_log_sent_when CHECK ((status = 'SENT') = (sent_at IS NOT NULL))
);
