-- The organization's own id of an appointment. Blocks changes of appointments for an instant; reading goes on, but while the
-- column is added.

ALTER TABLE appointment ADD COLUMN external_id text;
ALTER TABLE appointment
    ADD CONSTRAINT appointment_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 255) NOT VALID;
