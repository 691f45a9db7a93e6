-- What guests of one network do in a day: the bookings that they make, whatever becomes of them, and the messages that
-- they cause. Open bookings alone don't bound it: whoever books and cancels again has none open.

CREATE TABLE network_tally (
    organization_id uuid NOT NULL,
    -- A keyed hash of the network, as in appointment.guest_origin.
    origin bytea NOT NULL,
    -- In UTC.
    day date NOT NULL,
    what text NOT NULL,
    count integer NOT NULL,
    CONSTRAINT network_tally_pkey PRIMARY KEY (organization_id, origin, day, what),
    CONSTRAINT network_tally_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT network_tally_origin_length CHECK (octet_length(origin) = 16),
    CONSTRAINT network_tally_what_known CHECK (what IN ('BOOKINGS', 'MESSAGES')),
    CONSTRAINT network_tally_count_range CHECK (count > 0)
);

-- For the purge.
CREATE INDEX network_tally_by_day ON network_tally (day);

-- Whether a guest, or the bearer of a manage link, made the change that a message is about; and from which network.
ALTER TABLE message_outbox ADD COLUMN by_guest boolean NOT NULL DEFAULT false;

ALTER TABLE message_outbox ADD COLUMN origin bytea;

ALTER TABLE message_outbox ADD CONSTRAINT message_outbox_origin_length CHECK (octet_length(origin) = 16);
