-- How people want to be told: on which channels (null: by e-mail where there is an address, else by SMS; none: not at
-- all), in which language; and which addresses want nothing from an organization any more.

ALTER TABLE customer
    ADD COLUMN channels text[],
    ADD CONSTRAINT customer_channels_known CHECK (channels <@ ARRAY['EMAIL', 'SMS']);
ALTER TABLE appointment
    ADD COLUMN contact_channels text[],
    ADD CONSTRAINT appointment_contact_channels_known CHECK (contact_channels <@ ARRAY['EMAIL', 'SMS']);
ALTER TABLE provider
    ADD COLUMN channels text[],
    ADD COLUMN locale text,
    ADD CONSTRAINT provider_channels_known CHECK (channels <@ ARRAY['EMAIL', 'SMS']),
    ADD CONSTRAINT provider_locale_length CHECK (char_length(locale) BETWEEN 2 AND 35);

-- An address that opted out, as a digest: it can be recognized, not read, and it outlives the erasure of its customer,
-- who would otherwise be written to again.
CREATE TABLE message_opt_out (
    organization_id uuid NOT NULL,
    channel text NOT NULL,
    address_digest bytea NOT NULL,
    opted_out_at timestamptz NOT NULL,
    CONSTRAINT message_opt_out_pkey PRIMARY KEY (organization_id, channel, address_digest),
    CONSTRAINT message_opt_out_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT message_opt_out_channel_known CHECK (channel IN ('EMAIL', 'SMS')),
    CONSTRAINT message_opt_out_digest_length CHECK (octet_length(address_digest) = 32)
);
