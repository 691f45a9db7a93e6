-- How many open bookings guests have: counted where one is made, so that nobody fills a calendar, or sends mail to
-- strangers, without signing in.

-- A keyed hash of the network that a guest booked from; null for everybody else, and where the network is not known.
ALTER TABLE appointment
    ADD COLUMN guest_origin bytea,
    ADD CONSTRAINT appointment_guest_origin_length CHECK (octet_length(guest_origin) = 16);

-- The open bookings from one network. It holds what is open, and no more.
CREATE INDEX appointment_by_guest_origin ON appointment (organization_id, guest_origin, ends_at)
    WHERE (status = 'CONFIRMED' AND guest_origin IS NOT NULL);
