-- Providers, and the rules that hold for a booking which names no service. A cancellation policy's fixed fee is in
-- minor units; a share of a price stands with services only, because a provider has no price to take it of.

CREATE TABLE provider (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    email text,
    phone text,
    time_zone text NOT NULL,
    service_duration_minutes integer NOT NULL,
    buffer_minutes integer NOT NULL DEFAULT 0,
    slot_interval_minutes integer,
    min_notice_minutes integer NOT NULL DEFAULT 0,
    max_advance_booking_days integer NOT NULL DEFAULT 60,
    policy_free_until_minutes_before integer NOT NULL DEFAULT 0,
    policy_late_cancellation text NOT NULL DEFAULT 'ALLOWED',
    policy_late_fee_minor bigint,
    policy_late_fee_currency text,
    created_at timestamptz NOT NULL,
    CONSTRAINT provider_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT provider_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT provider_subject_key UNIQUE (organization_id, subject),
    CONSTRAINT provider_subject_length CHECK (char_length(subject) BETWEEN 1 AND 255),
    CONSTRAINT provider_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT provider_email_length CHECK (char_length(email) BETWEEN 3 AND 254),
    CONSTRAINT provider_phone_form CHECK (phone ~ '^\+[0-9]{3,15}$'),
    CONSTRAINT provider_time_zone_length CHECK (char_length(time_zone) BETWEEN 1 AND 64),
    CONSTRAINT provider_service_duration_range CHECK (service_duration_minutes BETWEEN 1 AND 1440),
    CONSTRAINT provider_buffer_range CHECK (buffer_minutes BETWEEN 0 AND 1440),
    CONSTRAINT provider_slot_interval_range CHECK (slot_interval_minutes BETWEEN 1 AND 1440),
    CONSTRAINT provider_min_notice_range CHECK (min_notice_minutes BETWEEN 0 AND 1584000),
    CONSTRAINT provider_max_advance_booking_range CHECK (max_advance_booking_days BETWEEN 0 AND 1100),
    CONSTRAINT provider_policy_free_until_range CHECK (policy_free_until_minutes_before BETWEEN 0 AND 1584000),
    CONSTRAINT provider_policy_late_cancellation_known CHECK (policy_late_cancellation IN ('ALLOWED', 'FEE', 'REFUSED')),
    CONSTRAINT provider_policy_fee_computable CHECK (
        (policy_late_cancellation = 'FEE') = (policy_late_fee_minor IS NOT NULL)
        AND (policy_late_fee_minor IS NULL) = (policy_late_fee_currency IS NULL)
    ),
    CONSTRAINT provider_policy_late_fee_range CHECK (policy_late_fee_minor BETWEEN 0 AND 2147483647),
    CONSTRAINT provider_policy_late_fee_currency_form CHECK (policy_late_fee_currency ~ '^[A-Z]{3}$')
);

-- The provider list, paged by keyset in the order of the alphabet.
CREATE INDEX provider_by_name ON provider (organization_id, name, id);
