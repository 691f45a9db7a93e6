-- What a cancellation policy says more: for how long after the booking cancelling is free again, and whether a no-show costs
-- what a late cancellation does. Neither, for what is there and for what earlier programs write.
-- Blocks bookings for an instant. The constraint of appointments is checked for new rows from here on, and for those that
-- are there by 0059.

ALTER TABLE provider ADD COLUMN policy_grace_minutes integer NOT NULL DEFAULT 0;
ALTER TABLE provider
    ADD CONSTRAINT provider_policy_grace_range CHECK (policy_grace_minutes BETWEEN 0 AND 1584000);
ALTER TABLE provider ADD COLUMN policy_charges_no_show boolean NOT NULL DEFAULT false;

ALTER TABLE service ADD COLUMN policy_grace_minutes integer NOT NULL DEFAULT 0;
ALTER TABLE service
    ADD CONSTRAINT service_policy_grace_range CHECK (policy_grace_minutes BETWEEN 0 AND 1584000);
ALTER TABLE service ADD COLUMN policy_charges_no_show boolean NOT NULL DEFAULT false;

ALTER TABLE appointment ADD COLUMN policy_grace_minutes integer NOT NULL DEFAULT 0;
ALTER TABLE appointment
    ADD CONSTRAINT appointment_policy_grace_range CHECK (policy_grace_minutes BETWEEN 0 AND 1584000) NOT VALID;
ALTER TABLE appointment ADD COLUMN policy_charges_no_show boolean NOT NULL DEFAULT false;
