-- Whom and what an appointment takes, on its own row: permissions and lists read it there. Null where it takes its provider
-- alone, named, and so for what earlier programs write. The history says whom an appointment took before a change.
-- Blocks changes of appointments and holds for an instant; reading goes on. The constraints are checked for new rows from
-- here on, and for those that are there by 0042.

ALTER TABLE appointment ADD COLUMN provider_ids uuid[];
ALTER TABLE appointment ADD COLUMN named integer;
ALTER TABLE appointment ADD COLUMN resource_ids uuid[];
ALTER TABLE appointment
    ADD CONSTRAINT appointment_of_several CHECK (
        (provider_ids IS NULL AND named IS NULL AND resource_ids IS NULL)
        OR (provider_ids[1] = provider_id AND named BETWEEN 0 AND cardinality(provider_ids)
            AND resource_ids IS NOT NULL) IS TRUE
    ) NOT VALID;

ALTER TABLE hold ADD COLUMN resource_ids uuid[];
ALTER TABLE hold
    ADD CONSTRAINT hold_of_resources CHECK ((provider_ids IS NULL) = (resource_ids IS NULL)) NOT VALID;

-- Nobody writes rows yet.
ALTER TABLE appointment_subject ADD COLUMN starts_at timestamptz NOT NULL;
-- The appointments of those who do not lead them, in the order of lists; a lead's are in appointment_by_provider.
CREATE INDEX appointment_subject_by_start
    ON appointment_subject (organization_id, subject_id, starts_at, appointment_id) WHERE (position > 1);

-- Null where the providers stayed.
ALTER TABLE appointment_history ADD COLUMN from_provider_ids uuid[];
-- In which order providers were tried; null where none was assigned.
ALTER TABLE appointment_history ADD COLUMN assignment text;
ALTER TABLE appointment_history
    ADD CONSTRAINT appointment_history_assignment_known
    CHECK (assignment IN ('PRIORITY', 'LEAST_BUSY', 'LONGEST_IDLE')) NOT VALID;
