-- Holds: a time claimed for some minutes while somebody fills in a form. The claim is a real one, under the same
-- constraint as an appointment's; it ends by itself, because whoever reads or takes the time compares its expiry with *now*.

CREATE TABLE hold (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    service_id uuid,
    -- Who holds: a signed-in subject or an address; counted, so that nobody fills a calendar with holds.
    caller text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Released by its caller or used by a booking, before it expired.
    ended_at timestamptz,
    CONSTRAINT hold_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT hold_provider_fkey FOREIGN KEY (organization_id, provider_id)
        REFERENCES provider (organization_id, id),
    CONSTRAINT hold_service_fkey FOREIGN KEY (organization_id, service_id)
        REFERENCES service (organization_id, id),
    CONSTRAINT hold_time_order CHECK (starts_at < ends_at AND created_at < expires_at)
);

-- The open holds of a caller.
CREATE INDEX hold_by_caller ON hold (organization_id, caller, expires_at) WHERE (ended_at IS NULL);
-- The sweep of holds that are over.
CREATE INDEX hold_by_expiry ON hold (expires_at);

ALTER TABLE claim
    ADD COLUMN hold_id uuid,
    ADD CONSTRAINT claim_hold_fkey FOREIGN KEY (organization_id, hold_id) REFERENCES hold (organization_id, id),
    ADD CONSTRAINT claim_of_one CHECK (num_nonnulls(appointment_id, hold_id) = 1),
    ADD CONSTRAINT claim_of_hold_expires CHECK ((hold_id IS NULL) = (expires_at IS NULL));
CREATE UNIQUE INDEX claim_of_hold ON claim (organization_id, hold_id) WHERE (active AND hold_id IS NOT NULL);

ALTER TABLE idempotency_key
    ADD COLUMN hold_id uuid,
    ADD CONSTRAINT idempotency_key_hold_fkey FOREIGN KEY (organization_id, hold_id)
        REFERENCES hold (organization_id, id),
    ADD CONSTRAINT idempotency_key_of_one CHECK (num_nonnulls(appointment_id, hold_id) = 1);
CREATE INDEX idempotency_key_by_hold ON idempotency_key (organization_id, hold_id) WHERE (hold_id IS NOT NULL);
