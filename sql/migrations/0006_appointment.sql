-- Appointments. What may change later elsewhere is kept here as it was at booking: the contact as given, the price and
-- the cancellation policy. The time itself is taken through a claim (next file); starts_at and ends_at repeat the visit for reading.

CREATE TABLE appointment (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    service_id uuid,
    customer_id uuid NOT NULL,
    status text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    customer_time_zone text NOT NULL,
    contact_name text NOT NULL,
    contact_email text,
    contact_phone text,
    contact_locale text,
    notes text,
    -- Raised by every change; time_version is raised by moves only.
    version integer NOT NULL,
    time_version integer NOT NULL,
    price_minor bigint,
    price_currency text,
    policy_free_until_minutes_before integer NOT NULL,
    policy_late_cancellation text NOT NULL,
    policy_late_fee_minor bigint,
    policy_late_fee_currency text,
    policy_late_fee_percent integer,
    created_at timestamptz NOT NULL,
    cancelled_at timestamptz,
    cancellation_reason text,
    cancellation_fee_minor bigint,
    cancellation_fee_currency text,
    CONSTRAINT appointment_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT appointment_provider_fkey FOREIGN KEY (organization_id, provider_id)
        REFERENCES provider (organization_id, id),
    CONSTRAINT appointment_service_fkey FOREIGN KEY (organization_id, service_id)
        REFERENCES service (organization_id, id),
    CONSTRAINT appointment_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customer (organization_id, id),
    CONSTRAINT appointment_status_known CHECK (status IN ('CONFIRMED', 'CANCELLED', 'COMPLETED', 'NO_SHOW')),
    CONSTRAINT appointment_time_order CHECK (starts_at < ends_at),
    CONSTRAINT appointment_customer_time_zone_length CHECK (char_length(customer_time_zone) BETWEEN 1 AND 64),
    CONSTRAINT appointment_contact_name_length CHECK (char_length(contact_name) BETWEEN 1 AND 200),
    CONSTRAINT appointment_contact_email_length CHECK (char_length(contact_email) BETWEEN 3 AND 254),
    CONSTRAINT appointment_contact_phone_form CHECK (contact_phone ~ '^\+[0-9]{3,15}$'),
    CONSTRAINT appointment_contact_locale_length CHECK (char_length(contact_locale) BETWEEN 2 AND 35),
    CONSTRAINT appointment_notes_length CHECK (char_length(notes) BETWEEN 1 AND 2000),
    CONSTRAINT appointment_version_range CHECK (version >= 1 AND time_version BETWEEN 1 AND version),
    CONSTRAINT appointment_price_whole CHECK ((price_minor IS NULL) = (price_currency IS NULL)),
    CONSTRAINT appointment_price_range CHECK (price_minor BETWEEN 0 AND 2147483647),
    CONSTRAINT appointment_price_currency_form CHECK (price_currency ~ '^[A-Z]{3}$'),
    CONSTRAINT appointment_policy_free_until_range CHECK (policy_free_until_minutes_before BETWEEN 0 AND 1584000),
    CONSTRAINT appointment_policy_late_cancellation_known CHECK (
        policy_late_cancellation IN ('ALLOWED', 'FEE', 'REFUSED')
    ),
    CONSTRAINT appointment_policy_fee_computable CHECK (
        num_nonnulls(policy_late_fee_minor, policy_late_fee_percent)
            = CASE WHEN policy_late_cancellation = 'FEE' THEN 1 ELSE 0 END
        AND (policy_late_fee_minor IS NULL) = (policy_late_fee_currency IS NULL)
        AND (policy_late_fee_percent IS NULL OR price_minor IS NOT NULL)
    ),
    CONSTRAINT appointment_policy_late_fee_range CHECK (policy_late_fee_minor BETWEEN 0 AND 2147483647),
    CONSTRAINT appointment_policy_late_fee_currency_form CHECK (policy_late_fee_currency ~ '^[A-Z]{3}$'),
    CONSTRAINT appointment_policy_late_fee_percent_range CHECK (policy_late_fee_percent BETWEEN 1 AND 100),
    CONSTRAINT appointment_cancelled_when CHECK ((status = 'CANCELLED') = (cancelled_at IS NOT NULL)),
    CONSTRAINT appointment_cancellation_reason_length CHECK (char_length(cancellation_reason) BETWEEN 1 AND 500),
    CONSTRAINT appointment_cancellation_fee_whole CHECK (
        (cancellation_fee_minor IS NULL) = (cancellation_fee_currency IS NULL)
        AND (cancellation_fee_minor IS NULL OR status = 'CANCELLED')
    ),
    CONSTRAINT appointment_cancellation_fee_range CHECK (cancellation_fee_minor BETWEEN 0 AND 2147483647),
    CONSTRAINT appointment_cancellation_fee_currency_form CHECK (cancellation_fee_currency ~ '^[A-Z]{3}$')
);

-- The three lists of appointments, paged by keyset in the order of their start.
CREATE INDEX appointment_by_start ON appointment (organization_id, starts_at, id);
CREATE INDEX appointment_by_provider ON appointment (organization_id, provider_id, starts_at, id);
CREATE INDEX appointment_by_customer ON appointment (organization_id, customer_id, starts_at, id);
