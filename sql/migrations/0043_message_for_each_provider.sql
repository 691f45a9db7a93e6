-- Each provider whom an appointment takes gets messages of their own, so a row of the log names its provider.
--
-- Programs of the release before know one provider for an appointment: they write rows without provider_id, for the lead,
-- and need the key by recipient. So rows for other providers have no recipient until the release after; these two keys then
-- become one.
-- Blocks the sending of messages for an instant. The constraints are checked for new rows from here on, and for those that are
-- there by 0044, which builds the keys.

ALTER TABLE reminder_log ADD COLUMN provider_id uuid;
ALTER TABLE reminder_log ALTER COLUMN recipient DROP NOT NULL;
ALTER TABLE reminder_log
    ADD CONSTRAINT reminder_log_for_somebody CHECK (recipient IS NOT NULL OR provider_id IS NOT NULL) NOT VALID;
ALTER TABLE reminder_log
    ADD CONSTRAINT reminder_log_provider_of_side CHECK (provider_id IS NULL OR recipient IS DISTINCT FROM 'CUSTOMER')
    NOT VALID;
ALTER TABLE reminder_log
    ADD CONSTRAINT reminder_log_provider_fkey FOREIGN KEY (organization_id, provider_id)
    REFERENCES provider (organization_id, id) NOT VALID;
