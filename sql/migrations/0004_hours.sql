-- When providers work: weekly hours, weekly breaks, and exceptions on single dates. Times are wall-clock readings in the
-- provider's zone, as minutes from midnight; an end not after its start runs past midnight into the next date (equal: 24 hours).

CREATE TABLE weekly_hours (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    weekday smallint NOT NULL,
    start_minute smallint NOT NULL,
    end_minute smallint NOT NULL,
    effective_from date,
    effective_until date,
    CONSTRAINT weekly_hours_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT weekly_hours_provider_fkey FOREIGN KEY (organization_id, provider_id)
        REFERENCES provider (organization_id, id),
    CONSTRAINT weekly_hours_weekday_range CHECK (weekday BETWEEN 0 AND 6),
    CONSTRAINT weekly_hours_start_range CHECK (start_minute BETWEEN 0 AND 1439),
    CONSTRAINT weekly_hours_end_range CHECK (end_minute BETWEEN 0 AND 1440),
    CONSTRAINT weekly_hours_effective_order CHECK (effective_from <= effective_until)
);
CREATE INDEX weekly_hours_by_provider ON weekly_hours (organization_id, provider_id);

CREATE TABLE weekly_break (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    weekday smallint NOT NULL,
    start_minute smallint NOT NULL,
    end_minute smallint NOT NULL,
    effective_from date,
    effective_until date,
    CONSTRAINT weekly_break_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT weekly_break_provider_fkey FOREIGN KEY (organization_id, provider_id)
        REFERENCES provider (organization_id, id),
    CONSTRAINT weekly_break_weekday_range CHECK (weekday BETWEEN 0 AND 6),
    CONSTRAINT weekly_break_start_range CHECK (start_minute BETWEEN 0 AND 1439),
    CONSTRAINT weekly_break_end_range CHECK (end_minute BETWEEN 0 AND 1440),
    CONSTRAINT weekly_break_effective_order CHECK (effective_from <= effective_until)
);
CREATE INDEX weekly_break_by_provider ON weekly_break (organization_id, provider_id);

-- One row for a day that is closed, or one row for each range of a block or of custom hours.
CREATE TABLE availability_exception (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    date date NOT NULL,
    is_blocked boolean NOT NULL,
    custom_start_minute smallint,
    custom_end_minute smallint,
    reason text,
    CONSTRAINT availability_exception_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT availability_exception_provider_fkey FOREIGN KEY (organization_id, provider_id)
        REFERENCES provider (organization_id, id),
    CONSTRAINT availability_exception_times_whole CHECK (
        (custom_start_minute IS NULL) = (custom_end_minute IS NULL)
    ),
    CONSTRAINT availability_exception_custom_has_times CHECK (is_blocked OR custom_start_minute IS NOT NULL),
    CONSTRAINT availability_exception_start_range CHECK (custom_start_minute BETWEEN 0 AND 1439),
    CONSTRAINT availability_exception_end_range CHECK (custom_end_minute BETWEEN 0 AND 1440),
    -- A block stays inside its date; custom hours may run past midnight.
    CONSTRAINT availability_exception_block_inside_date CHECK (
        NOT is_blocked OR custom_end_minute > custom_start_minute
    ),
    CONSTRAINT availability_exception_reason_length CHECK (char_length(reason) BETWEEN 1 AND 500),
    -- Custom hours, closed or blocked: one kind a date.
    CONSTRAINT availability_exception_one_kind EXCLUDE USING gist (
        organization_id WITH =,
        provider_id WITH =,
        date WITH =,
        (CASE WHEN NOT is_blocked THEN 0 WHEN custom_start_minute IS NULL THEN 1 ELSE 2 END) WITH <>
    ),
    CONSTRAINT availability_exception_ranges_differ
        UNIQUE NULLS NOT DISTINCT (organization_id, provider_id, date, custom_start_minute)
);
