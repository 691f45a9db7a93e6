-- A booking checks five foreign keys instead of eleven. Appointments and organizations are never
-- deleted, and what refers to them below is written with them or under the lock of their row: these
-- keys refused nothing that could happen. Each check read and locked a row, and bookings that ran at the
-- same time wrote one another into the lock of the organization's row.
--
-- The keys to customers, providers, services and subjects stay, and those of claims: a first booking that
-- meets another one's record fails by the first of them. Blocks writers for an instant.

ALTER TABLE appointment_history DROP CONSTRAINT appointment_history_appointment_fkey;
ALTER TABLE message_outbox DROP CONSTRAINT message_outbox_appointment_fkey;
ALTER TABLE idempotency_key DROP CONSTRAINT idempotency_key_appointment_fkey;
ALTER TABLE customer DROP CONSTRAINT customer_organization_fkey;
