-- A claim is on one unit of a subject: of so many identical rooms, this one. Providers have one unit.
--
-- An exclusion constraint can't be built concurrently. This one covers only rows that have a subject, and none has one
-- yet: so it is built by reading the table once, without inserting anything, and fills as 0031 gives every claim its subject. Until
-- then claim_no_overlap goes on holding for all of them; 0032 drops it and gives its name to this one.
-- Blocks reading and writing of claims for that one pass: measured in docs/operations.md.

ALTER TABLE claim ADD COLUMN subject_id uuid;
ALTER TABLE claim ADD COLUMN unit integer NOT NULL DEFAULT 1;
-- The claims of a resource name no provider.
ALTER TABLE claim ALTER COLUMN provider_id DROP NOT NULL;
CREATE TRIGGER claim_written_by_0_1 BEFORE INSERT OR UPDATE ON claim
    FOR EACH ROW WHEN (NEW.subject_id IS NULL) EXECUTE FUNCTION subject_is_provider();

-- Checked for new rows from here on, for those that are there by 0031.
ALTER TABLE claim ADD CONSTRAINT claim_unit_range CHECK (unit >= 1) NOT VALID;
ALTER TABLE claim ADD CONSTRAINT claim_subject_given CHECK (subject_id IS NOT NULL) NOT VALID;
ALTER TABLE claim
    ADD CONSTRAINT claim_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES subject (organization_id, id)
    NOT VALID;
ALTER TABLE claim
    ADD CONSTRAINT claim_no_overlap_of_unit EXCLUDE USING gist (
        organization_id WITH =, subject_id WITH =, unit WITH =, during WITH &&
    ) WHERE (active AND subject_id IS NOT NULL);
