-- What happened, for everybody who follows an organization: one row for each change, written in its transaction. It names
-- what changed and holds nothing personal: readers ask for the object.

-- Which cluster this is, and which of its timelines: transaction ids are comparable within one only.
CREATE FUNCTION cluster_id() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT system.system_identifier::text || '/' || point.timeline_id::text
    FROM pg_control_system() AS system
    CROSS JOIN pg_control_checkpoint() AS point
$$;

-- The cluster that wrote an organization's latest events. A restored dump goes on in another one, where transaction ids
-- begin anew: its first event starts the next epoch.
CREATE TABLE event_epoch (
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    cluster text NOT NULL,
    CONSTRAINT event_epoch_pkey PRIMARY KEY (organization_id),
    CONSTRAINT event_epoch_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT event_epoch_range CHECK (epoch >= 1)
);

-- Events are ordered by (epoch, transaction_id, id) and read below the oldest transaction that still runs, so that no
-- lock has to order the commits of an organization. No foreign keys: an event outlives what it is about, and a key to the
-- organization would have every booking lock the same row.
CREATE TABLE event (
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    transaction_id bigint NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    subject_id uuid NOT NULL,
    version integer,
    provider_id uuid,
    customer_id uuid,
    occurred_at timestamptz NOT NULL,
    actor text NOT NULL,
    -- The subject of the token of a member of the staff; of nobody else's.
    actor_subject text,
    CONSTRAINT event_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT event_type_form CHECK (type ~ '^[A-Z]+(_[A-Z]+)+$'),
    CONSTRAINT event_version_range CHECK (version >= 1),
    CONSTRAINT event_actor_known CHECK (
        actor IN ('GUEST', 'MANAGE_TOKEN', 'CUSTOMER', 'PROVIDER', 'ADMIN', 'SYSTEM')
    ),
    CONSTRAINT event_names_staff_only CHECK (actor_subject IS NULL OR actor IN ('PROVIDER', 'ADMIN'))
);

-- The order in which they are read.
CREATE UNIQUE INDEX event_in_order ON event (organization_id, epoch, transaction_id, id);

-- Events by age, for the purge.
CREATE INDEX event_by_age ON event (occurred_at);

-- The history holds only changes that the law knows. Not checked for the rows that are there: that would keep writers
-- waiting while all of them are read; the next migration does it beside them.
ALTER TABLE appointment_history
    ADD CONSTRAINT appointment_history_transition_known CHECK (
        kind || ' ' || coalesce(from_status, '-') || ' ' || to_status IN (
            'BOOKED - CONFIRMED',
            'RESCHEDULED CONFIRMED CONFIRMED',
            'CANCELLED CONFIRMED CANCELLED',
            'COMPLETED CONFIRMED COMPLETED',
            'COMPLETED NO_SHOW COMPLETED',
            'NO_SHOW CONFIRMED NO_SHOW',
            'NO_SHOW COMPLETED NO_SHOW'
        )
    ) NOT VALID;
