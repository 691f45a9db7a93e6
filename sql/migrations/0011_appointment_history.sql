-- The history of appointments: one row for every version, written in the transaction that made it.

CREATE TABLE appointment_history (
    organization_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor text NOT NULL,
    -- The subject of the actor's token; none for guests and for the program itself.
    actor_subject text,
    from_status text,
    to_status text NOT NULL,
    from_starts_at timestamptz,
    to_starts_at timestamptz NOT NULL,
    reason text,
    CONSTRAINT appointment_history_pkey PRIMARY KEY (organization_id, appointment_id, version),
    CONSTRAINT appointment_history_appointment_fkey FOREIGN KEY (organization_id, appointment_id)
        REFERENCES appointment (organization_id, id),
    CONSTRAINT appointment_history_kind_known CHECK (
        kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'COMPLETED', 'NO_SHOW')
    ),
    CONSTRAINT appointment_history_actor_known CHECK (
        actor IN ('GUEST', 'MANAGE_TOKEN', 'CUSTOMER', 'PROVIDER', 'ADMIN', 'SYSTEM')
    ),
    CONSTRAINT appointment_history_status_known CHECK (
        from_status IN ('CONFIRMED', 'CANCELLED', 'COMPLETED', 'NO_SHOW')
        AND to_status IN ('CONFIRMED', 'CANCELLED', 'COMPLETED', 'NO_SHOW')
    ),
    CONSTRAINT appointment_history_begins CHECK ((version = 1) = (kind = 'BOOKED')),
    CONSTRAINT appointment_history_before CHECK (
        (kind = 'BOOKED') = (from_status IS NULL) AND (from_status IS NULL) = (from_starts_at IS NULL)
    )
);

-- The sweep that completes what has ended.
CREATE INDEX appointment_to_complete ON appointment (ends_at) WHERE (status = 'CONFIRMED');
