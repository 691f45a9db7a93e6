-- Provider time is taken through one table, so that one constraint holds for all of it: no two active claims of a
-- provider overlap. This constraint has the last word over every booking; locks only spare it the work.

CREATE TABLE claim (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    appointment_id uuid,
    -- The visit with its buffers, as they were when the claim was made, and the visit itself.
    during tstzrange NOT NULL,
    visit tstzrange NOT NULL,
    expires_at timestamptz,
    active boolean NOT NULL,
    -- The same four instants in epoch minutes: read five times faster than ranges.
    claimed_from integer NOT NULL GENERATED ALWAYS AS (
        (extract(epoch FROM lower(during) AT TIME ZONE 'UTC') / 60)::integer
    ) STORED,
    claimed_until integer NOT NULL GENERATED ALWAYS AS (
        (extract(epoch FROM upper(during) AT TIME ZONE 'UTC') / 60)::integer
    ) STORED,
    visit_from integer NOT NULL GENERATED ALWAYS AS (
        (extract(epoch FROM lower(visit) AT TIME ZONE 'UTC') / 60)::integer
    ) STORED,
    visit_until integer NOT NULL GENERATED ALWAYS AS (
        (extract(epoch FROM upper(visit) AT TIME ZONE 'UTC') / 60)::integer
    ) STORED,
    CONSTRAINT claim_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT claim_provider_fkey FOREIGN KEY (organization_id, provider_id)
        REFERENCES provider (organization_id, id),
    CONSTRAINT claim_appointment_fkey FOREIGN KEY (organization_id, appointment_id)
        REFERENCES appointment (organization_id, id),
    CONSTRAINT claim_during_half_open CHECK (
        lower_inc(during) AND NOT upper_inc(during) AND lower_inc(visit) AND NOT upper_inc(visit)
        AND NOT isempty(during) AND NOT isempty(visit)
    ),
    CONSTRAINT claim_visit_inside CHECK (visit <@ during),
    -- Whole minutes, so that the integers beside the ranges say the same.
    CONSTRAINT claim_whole_minutes CHECK (
        mod(extract(epoch FROM lower(during) AT TIME ZONE 'UTC'), 60) = 0
        AND mod(extract(epoch FROM upper(during) AT TIME ZONE 'UTC'), 60) = 0
        AND mod(extract(epoch FROM lower(visit) AT TIME ZONE 'UTC'), 60) = 0
        AND mod(extract(epoch FROM upper(visit) AT TIME ZONE 'UTC'), 60) = 0
    ),
    -- A visit and both buffers last at most a day each; readers widen their search by this.
    CONSTRAINT claim_length CHECK (
        extract(epoch FROM upper(during) AT TIME ZONE 'UTC') - extract(epoch FROM lower(during) AT TIME ZONE 'UTC')
            <= 3 * 86400
    ),
    CONSTRAINT claim_no_overlap EXCLUDE USING gist (
        organization_id WITH =, provider_id WITH =, during WITH &&
    ) WHERE (active)
);

-- What stands in a provider's calendar, answered from the index alone.
CREATE INDEX claim_busy ON claim (organization_id, provider_id, claimed_from)
    INCLUDE (claimed_until, visit_from, visit_until, appointment_id, expires_at) WHERE (active);
-- The claim of an appointment: at most one is active.
CREATE UNIQUE INDEX claim_of_appointment ON claim (organization_id, appointment_id)
    WHERE (active AND appointment_id IS NOT NULL);
