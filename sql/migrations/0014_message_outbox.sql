-- The outbox: what is to be told about an appointment, and when, written in the transaction that made it so. A row that is
-- due becomes rows of the log, one for each recipient and channel as they are by then, and goes.

CREATE TABLE message_outbox (
    organization_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    time_version integer NOT NULL,
    kind text NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT message_outbox_pkey PRIMARY KEY (organization_id, appointment_id, time_version, kind),
    CONSTRAINT message_outbox_appointment_fkey FOREIGN KEY (organization_id, appointment_id)
        REFERENCES appointment (organization_id, id),
    CONSTRAINT message_outbox_kind_known CHECK (
        kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE')
    )
);

-- The sweep of what is due: as fast among a million future appointments as among a hundred.
CREATE INDEX message_outbox_due ON message_outbox (due_at);
