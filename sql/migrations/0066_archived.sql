-- Providers and services can be archived, as resources can: they are listed and booked no more, and keep what is booked.
-- Blocks reading and changing of providers and services for an instant: both tables are small.

ALTER TABLE provider ADD COLUMN is_archived boolean NOT NULL DEFAULT false;
ALTER TABLE service ADD COLUMN is_archived boolean NOT NULL DEFAULT false;
