-- Private calendar feeds of providers and customers. The id is in the signed address: a renewed feed has another one, and
-- the address before opens nothing from then on.

CREATE TABLE calendar_feed (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid,
    customer_id uuid,
    created_at timestamptz NOT NULL,
    CONSTRAINT calendar_feed_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT calendar_feed_of_provider UNIQUE (organization_id, provider_id),
    CONSTRAINT calendar_feed_of_customer UNIQUE (organization_id, customer_id),
    CONSTRAINT calendar_feed_provider_fkey FOREIGN KEY (organization_id, provider_id)
        REFERENCES provider (organization_id, id),
    CONSTRAINT calendar_feed_customer_fkey FOREIGN KEY (organization_id, customer_id)
        REFERENCES customer (organization_id, id),
    CONSTRAINT calendar_feed_of_one CHECK (num_nonnulls(provider_id, customer_id) = 1)
);
