-- Services: what can be booked with the providers that offer it. A null rule means the provider's own.

CREATE TABLE service (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    duration_minutes integer NOT NULL,
    buffer_before_minutes integer NOT NULL DEFAULT 0,
    buffer_after_minutes integer,
    slot_interval_minutes integer,
    min_notice_minutes integer,
    max_advance_booking_days integer,
    price_minor bigint,
    price_currency text,
    policy_free_until_minutes_before integer,
    policy_late_cancellation text,
    policy_late_fee_minor bigint,
    policy_late_fee_currency text,
    policy_late_fee_percent integer,
    created_at timestamptz NOT NULL,
    CONSTRAINT service_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT service_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT service_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT service_duration_range CHECK (duration_minutes BETWEEN 1 AND 1440),
    CONSTRAINT service_buffer_before_range CHECK (buffer_before_minutes BETWEEN 0 AND 1440),
    CONSTRAINT service_buffer_after_range CHECK (buffer_after_minutes BETWEEN 0 AND 1440),
    CONSTRAINT service_slot_interval_range CHECK (slot_interval_minutes BETWEEN 1 AND 1440),
    CONSTRAINT service_min_notice_range CHECK (min_notice_minutes BETWEEN 0 AND 1584000),
    CONSTRAINT service_max_advance_booking_range CHECK (max_advance_booking_days BETWEEN 0 AND 1100),
    CONSTRAINT service_price_whole CHECK ((price_minor IS NULL) = (price_currency IS NULL)),
    CONSTRAINT service_price_range CHECK (price_minor BETWEEN 0 AND 2147483647),
    CONSTRAINT service_price_currency_form CHECK (price_currency ~ '^[A-Z]{3}$'),
    CONSTRAINT service_policy_whole CHECK (
        (policy_free_until_minutes_before IS NULL) = (policy_late_cancellation IS NULL)
    ),
    CONSTRAINT service_policy_free_until_range CHECK (policy_free_until_minutes_before BETWEEN 0 AND 1584000),
    CONSTRAINT service_policy_late_cancellation_known CHECK (policy_late_cancellation IN ('ALLOWED', 'FEE', 'REFUSED')),
    -- A late fee is either a fixed amount or a share of a price that exists, never both and never neither.
    CONSTRAINT service_policy_fee_computable CHECK (
        num_nonnulls(policy_late_fee_minor, policy_late_fee_percent)
            = CASE WHEN policy_late_cancellation = 'FEE' THEN 1 ELSE 0 END
        AND (policy_late_fee_minor IS NULL) = (policy_late_fee_currency IS NULL)
        AND (policy_late_fee_percent IS NULL OR price_minor IS NOT NULL)
    ),
    CONSTRAINT service_policy_late_fee_range CHECK (policy_late_fee_minor BETWEEN 0 AND 2147483647),
    CONSTRAINT service_policy_late_fee_currency_form CHECK (policy_late_fee_currency ~ '^[A-Z]{3}$'),
    CONSTRAINT service_policy_late_fee_percent_range CHECK (policy_late_fee_percent BETWEEN 1 AND 100)
);

CREATE TABLE service_provider (
    organization_id uuid NOT NULL,
    service_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    CONSTRAINT service_provider_pkey PRIMARY KEY (organization_id, service_id, provider_id),
    CONSTRAINT service_provider_service_fkey FOREIGN KEY (organization_id, service_id)
        REFERENCES service (organization_id, id),
    CONSTRAINT service_provider_provider_fkey FOREIGN KEY (organization_id, provider_id)
        REFERENCES provider (organization_id, id)
);

-- The services of a provider.
CREATE INDEX service_provider_by_provider ON service_provider (organization_id, provider_id, service_id);
