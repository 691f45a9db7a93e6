-- Time off of providers and resources: a range of wall-clock time over any number of dates. No reading in it is open.
-- Blocks changes of providers and resources for an instant; reading and booking go on.

CREATE TABLE time_off (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    -- Half-open, and without a zone: what clocks in the subject's zone read, whichever zone that is at the time.
    from_reading timestamp NOT NULL,
    until_reading timestamp NOT NULL,
    reason text,
    created_at timestamptz NOT NULL,
    CONSTRAINT time_off_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT time_off_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES subject (organization_id, id),
    CONSTRAINT time_off_order CHECK (from_reading < until_reading),
    -- The dates that hours are kept for.
    CONSTRAINT time_off_supported CHECK (from_reading >= '1973-01-01' AND until_reading <= '3000-01-01'),
    CONSTRAINT time_off_whole_minutes CHECK (
        date_trunc('minute', from_reading) = from_reading AND date_trunc('minute', until_reading) = until_reading
    ),
    CONSTRAINT time_off_reason_length CHECK (char_length(reason) BETWEEN 1 AND 500)
);

-- By its end, so that what is over is not read.
CREATE INDEX time_off_by_subject ON time_off (organization_id, subject_id, until_reading);
