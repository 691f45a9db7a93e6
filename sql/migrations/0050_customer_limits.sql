-- How many open bookings of a service one customer may have, and whether an organization allows customers to be in two
-- places at once, as before. What is there already has no limit, and neither has what earlier programs write.
-- Blocks reading and changing of services and organizations for an instant: both tables are small.

ALTER TABLE service ADD COLUMN max_open_per_customer integer;
ALTER TABLE service
    ADD CONSTRAINT service_max_open_per_customer_range CHECK (max_open_per_customer BETWEEN 1 AND 10000);
ALTER TABLE organization ADD COLUMN allows_customer_overlap boolean NOT NULL DEFAULT true;
