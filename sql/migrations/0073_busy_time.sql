-- Busy times of providers and resources, from named sources: pushed, or read from a calendar feed. They are looked at with
-- the claims, also by the function that earlier programs call; to those a busy time is an appointment.
-- Blocks changes of providers and resources for an instant; reading and booking go on.

CREATE TABLE busy_source (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    name text NOT NULL,
    -- Null where the times are pushed; so is everything from here to leased_until.
    url text,
    etag text,
    last_modified text,
    last_read_at timestamptz,
    failing_since timestamptz,
    problem text,
    next_read_at timestamptz,
    leased_until timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT busy_source_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT busy_source_name_key UNIQUE (organization_id, subject_id, name),
    -- For what refers to a source with its subject: those keys lead with the subject.
    CONSTRAINT busy_source_subject_key UNIQUE (organization_id, subject_id, id),
    CONSTRAINT busy_source_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES subject (organization_id, id),
    CONSTRAINT busy_source_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT busy_source_read CHECK (
        (url IS NULL) = (next_read_at IS NULL)
        AND (url IS NOT NULL OR num_nonnulls(etag, last_modified, last_read_at, failing_since, problem, leased_until) = 0)
    )
);

-- The feeds to read next.
CREATE INDEX busy_source_by_next_read ON busy_source (next_read_at) WHERE url IS NOT NULL;

-- What a source says, in minutes since 1970: merged, and cut so that no piece is longer than a claim may be. Pieces of
-- several sources overlap, and so do pieces that come of readings and those that don't.
CREATE TABLE busy_time (
    organization_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    busy_from integer NOT NULL,
    source_id uuid NOT NULL,
    is_floating boolean NOT NULL,
    busy_until integer NOT NULL,
    -- A look by the beginnings reads this index and nothing else.
    CONSTRAINT busy_time_pkey PRIMARY KEY (organization_id, subject_id, busy_from, source_id, is_floating)
        INCLUDE (busy_until),
    CONSTRAINT busy_time_source_fkey FOREIGN KEY (organization_id, subject_id, source_id)
        REFERENCES busy_source (organization_id, subject_id, id),
    CONSTRAINT busy_time_order CHECK (busy_from < busy_until),
    CONSTRAINT busy_time_length CHECK (busy_until - busy_from <= 3 * 1440)
);

-- For the retention.
CREATE INDEX busy_time_by_end ON busy_time (busy_until);

-- Times that a feed gives without a zone: half-open, what clocks in the subject's zone read, whichever zone that is at the
-- time. Their pieces are in busy_time.
CREATE TABLE busy_reading (
    organization_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    source_id uuid NOT NULL,
    from_reading timestamp NOT NULL,
    until_reading timestamp NOT NULL,
    CONSTRAINT busy_reading_pkey PRIMARY KEY (organization_id, subject_id, source_id, from_reading),
    CONSTRAINT busy_reading_source_fkey FOREIGN KEY (organization_id, subject_id, source_id)
        REFERENCES busy_source (organization_id, subject_id, id),
    CONSTRAINT busy_reading_order CHECK (from_reading < until_reading),
    CONSTRAINT busy_reading_supported CHECK (from_reading >= '1973-01-01' AND until_reading <= '3000-01-01'),
    CONSTRAINT busy_reading_whole_minutes CHECK (
        date_trunc('minute', from_reading) = from_reading AND date_trunc('minute', until_reading) = until_reading
    )
);

-- For the retention.
CREATE INDEX busy_reading_by_end ON busy_reading (until_reading);

CREATE OR REPLACE FUNCTION claims_under_lock(
    organization_id uuid, lock_keys bigint[], subject_ids uuid[], from_minute integer, until_minute integer,
    longest_minutes integer
) RETURNS TABLE (
    subject_id uuid, claimed_from integer, claimed_until integer, visit_from integer, visit_until integer,
    appointment_id uuid, expires_at timestamptz, unit integer
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    wanted bigint;
BEGIN
    FOREACH wanted IN ARRAY lock_keys LOOP
        PERFORM pg_advisory_xact_lock(wanted);
    END LOOP;
    RETURN QUERY
        SELECT claim.subject_id, claim.claimed_from, claim.claimed_until, claim.visit_from, claim.visit_until,
            claim.appointment_id, claim.expires_at, claim.unit
        FROM claim
        WHERE claim.organization_id = claims_under_lock.organization_id
            AND claim.subject_id = ANY(subject_ids)
            AND claim.active
            -- What begins earlier is over by from_minute. Without this the index on claimed_from is read from its
            -- beginning.
            AND claim.claimed_from > from_minute - longest_minutes
            AND claim.claimed_from < until_minute
            AND claim.claimed_until > from_minute
        UNION ALL
        -- A busy time is on unit 0, which stands for all units of its subject.
        SELECT busy_time.subject_id, busy_time.busy_from, busy_time.busy_until, busy_time.busy_from, busy_time.busy_until,
            NULL::uuid, NULL::timestamptz, 0
        FROM busy_time
        WHERE busy_time.organization_id = claims_under_lock.organization_id
            AND busy_time.subject_id = ANY(subject_ids)
            AND busy_time.busy_from > from_minute - longest_minutes
            AND busy_time.busy_from < until_minute
            AND busy_time.busy_until > from_minute;
END
$$;
