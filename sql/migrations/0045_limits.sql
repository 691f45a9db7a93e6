-- Limits: at most so many visits of a provider, or of a service with its lead, in a day, week or month. What is there
-- already has none, and neither has what earlier programs write.
-- Blocks reading and changing of providers and services for an instant: both tables are small.

-- At most so many visits in a DAY, a WEEK, a MONTH, then so many minutes of visits in each, six numbers in this order; a
-- null among them, or in their place, is no limit. They are read with their owner, by every statement that reads it.
ALTER TABLE provider ADD COLUMN limits integer[];
ALTER TABLE service ADD COLUMN limits integer[];
ALTER TABLE provider ADD CONSTRAINT provider_limits_six CHECK (cardinality(limits) = 6);
ALTER TABLE provider
    ADD CONSTRAINT provider_limits_range CHECK (
        1 <= ALL (limits) AND 10000 >= ALL (limits[1:3]) AND 44640 >= ALL (limits[4:6])
    );
ALTER TABLE service ADD CONSTRAINT service_limits_six CHECK (cardinality(limits) = 6);
ALTER TABLE service
    ADD CONSTRAINT service_limits_range CHECK (
        1 <= ALL (limits) AND 10000 >= ALL (limits[1:3]) AND 44640 >= ALL (limits[4:6])
    );
