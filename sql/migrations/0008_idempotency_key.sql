-- Idempotency keys, stored in the same transaction as what they made: a retry finds either both or neither.
-- A refused request keeps no key.

CREATE TABLE idempotency_key (
    organization_id uuid NOT NULL,
    mutation text NOT NULL,
    -- Who asked: a subject, the appointment of a manage token, or anonymous.
    caller text NOT NULL,
    key text NOT NULL,
    -- HMAC-SHA-256 of all normalized inputs: contact data can be compared, never read back.
    request_hash bytea NOT NULL,
    appointment_id uuid,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_key_pkey PRIMARY KEY (organization_id, mutation, caller, key),
    CONSTRAINT idempotency_key_appointment_fkey FOREIGN KEY (organization_id, appointment_id)
        REFERENCES appointment (organization_id, id),
    CONSTRAINT idempotency_key_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_key_hash_length CHECK (octet_length(request_hash) = 32)
);

-- The purge of keys that have served.
CREATE INDEX idempotency_key_by_age ON idempotency_key (created_at);
