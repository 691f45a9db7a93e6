-- Sessions: starts of a service with seats. A session takes time once, by claims of its own; appointments and holds take its
-- seats. What is there already takes time of its own, and so does what earlier programs write.
-- Blocks changes of appointments, holds, claims, services and providers for an instant; reading goes on, but while a column
-- is added. The constraints are checked for new rows from here on, and for those that are there by 0047.

CREATE TABLE session (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    service_id uuid NOT NULL,
    -- The lead.
    provider_id uuid NOT NULL,
    -- All that it takes, as on appointments: null where that is its lead alone.
    provider_ids uuid[],
    resource_ids uuid[],
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    -- When its last seat was given back, and its time with it. No seat is taken from then on.
    ended_at timestamptz,
    -- Ended because staff cancelled all of it.
    is_cancelled boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT session_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT session_service_fkey FOREIGN KEY (organization_id, service_id) REFERENCES service (organization_id, id),
    CONSTRAINT session_provider_fkey FOREIGN KEY (organization_id, provider_id) REFERENCES provider (organization_id, id),
    CONSTRAINT session_time_order CHECK (starts_at < ends_at),
    CONSTRAINT session_of_several CHECK (
        (provider_ids IS NULL AND resource_ids IS NULL)
        OR (provider_ids[1] = provider_id AND resource_ids IS NOT NULL) IS TRUE
    ),
    CONSTRAINT session_cancelled_has_ended CHECK (NOT is_cancelled OR ended_at IS NOT NULL),
    CONSTRAINT session_version_range CHECK (version >= 1)
);

-- What a booking could join, and what a listing shows.
CREATE INDEX session_standing ON session (organization_id, service_id, starts_at) WHERE (ended_at IS NULL);
-- The list of sessions, paged by keyset.
CREATE INDEX session_by_start ON session (organization_id, starts_at, id);

-- The seats that appointments and holds take, one row each.
CREATE TABLE seat (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    number integer NOT NULL,
    appointment_id uuid,
    hold_id uuid,
    expires_at timestamptz,
    -- Until it is given back. That of an expired hold is as if it were given back.
    active boolean NOT NULL,
    CONSTRAINT seat_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT seat_session_fkey FOREIGN KEY (organization_id, session_id) REFERENCES session (organization_id, id),
    CONSTRAINT seat_appointment_fkey FOREIGN KEY (organization_id, appointment_id)
        REFERENCES appointment (organization_id, id),
    CONSTRAINT seat_hold_fkey FOREIGN KEY (organization_id, hold_id) REFERENCES hold (organization_id, id),
    CONSTRAINT seat_of_one CHECK (num_nonnulls(appointment_id, hold_id) = 1),
    CONSTRAINT seat_of_hold_expires CHECK ((hold_id IS NULL) = (expires_at IS NULL)),
    CONSTRAINT seat_number_range CHECK (number BETWEEN 1 AND 1000)
);

-- No seat is given twice. Numbers go up to what the service has, so there are never too many.
CREATE UNIQUE INDEX seat_once ON seat (organization_id, session_id, number) WHERE (active);
CREATE INDEX seat_by_appointment ON seat (organization_id, appointment_id) WHERE (appointment_id IS NOT NULL);
CREATE INDEX seat_by_hold ON seat (organization_id, hold_id) WHERE (hold_id IS NOT NULL);
-- The sweep of expired holds, and the purge.
CREATE INDEX seat_to_expire ON seat (expires_at) WHERE (active AND expires_at IS NOT NULL);
CREATE INDEX seat_given_back ON seat (organization_id, session_id) WHERE (NOT active);

-- An appointment in a session has no claims of its own.
ALTER TABLE appointment ADD COLUMN session_id uuid;
ALTER TABLE appointment ADD COLUMN seats integer NOT NULL DEFAULT 1;
ALTER TABLE appointment
    ADD CONSTRAINT appointment_session_fkey FOREIGN KEY (organization_id, session_id)
    REFERENCES session (organization_id, id) NOT VALID;
ALTER TABLE appointment
    ADD CONSTRAINT appointment_seats_range
    CHECK (seats BETWEEN 1 AND CASE WHEN session_id IS NULL THEN 1 ELSE 1000 END) NOT VALID;

ALTER TABLE hold ADD COLUMN session_id uuid;
ALTER TABLE hold ADD COLUMN seats integer NOT NULL DEFAULT 1;
ALTER TABLE hold
    ADD CONSTRAINT hold_session_fkey FOREIGN KEY (organization_id, session_id)
    REFERENCES session (organization_id, id) NOT VALID;
ALTER TABLE hold
    ADD CONSTRAINT hold_seats_range
    CHECK (seats BETWEEN 1 AND CASE WHEN session_id IS NULL THEN 1 ELSE 1000 END) NOT VALID;
-- A few rows: holds are purged soon after they end.
CREATE INDEX hold_by_session ON hold (organization_id, session_id) WHERE (session_id IS NOT NULL);

ALTER TABLE claim ADD COLUMN session_id uuid;
ALTER TABLE claim
    ADD CONSTRAINT claim_session_fkey FOREIGN KEY (organization_id, session_id)
    REFERENCES session (organization_id, id) NOT VALID;
ALTER TABLE claim DROP CONSTRAINT claim_of_one;
ALTER TABLE claim
    ADD CONSTRAINT claim_of_one CHECK (num_nonnulls(appointment_id, hold_id, session_id) = 1) NOT VALID;
-- A session's expire if it has holds only.
ALTER TABLE claim DROP CONSTRAINT claim_of_hold_expires;
ALTER TABLE claim
    ADD CONSTRAINT claim_of_hold_expires CHECK (session_id IS NOT NULL OR (hold_id IS NULL) = (expires_at IS NULL))
    NOT VALID;
