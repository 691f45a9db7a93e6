-- Weekly hours, breaks and exceptions belong to a subject. The same steps as for claims, on smaller tables.
-- Blocks reading and writing of hours for an instant.

ALTER TABLE weekly_hours ADD COLUMN subject_id uuid;
ALTER TABLE weekly_hours ALTER COLUMN provider_id DROP NOT NULL;
CREATE TRIGGER weekly_hours_written_by_0_1 BEFORE INSERT OR UPDATE ON weekly_hours
    FOR EACH ROW WHEN (NEW.subject_id IS NULL) EXECUTE FUNCTION subject_is_provider();
ALTER TABLE weekly_hours ADD CONSTRAINT weekly_hours_subject_given CHECK (subject_id IS NOT NULL) NOT VALID;
ALTER TABLE weekly_hours
    ADD CONSTRAINT weekly_hours_subject_fkey FOREIGN KEY (organization_id, subject_id)
    REFERENCES subject (organization_id, id) NOT VALID;

ALTER TABLE weekly_break ADD COLUMN subject_id uuid;
ALTER TABLE weekly_break ALTER COLUMN provider_id DROP NOT NULL;
CREATE TRIGGER weekly_break_written_by_0_1 BEFORE INSERT OR UPDATE ON weekly_break
    FOR EACH ROW WHEN (NEW.subject_id IS NULL) EXECUTE FUNCTION subject_is_provider();
ALTER TABLE weekly_break ADD CONSTRAINT weekly_break_subject_given CHECK (subject_id IS NOT NULL) NOT VALID;
ALTER TABLE weekly_break
    ADD CONSTRAINT weekly_break_subject_fkey FOREIGN KEY (organization_id, subject_id)
    REFERENCES subject (organization_id, id) NOT VALID;

ALTER TABLE availability_exception ADD COLUMN subject_id uuid;
ALTER TABLE availability_exception ALTER COLUMN provider_id DROP NOT NULL;
CREATE TRIGGER availability_exception_written_by_0_1 BEFORE INSERT OR UPDATE ON availability_exception
    FOR EACH ROW WHEN (NEW.subject_id IS NULL) EXECUTE FUNCTION subject_is_provider();
ALTER TABLE availability_exception
    ADD CONSTRAINT availability_exception_subject_given CHECK (subject_id IS NOT NULL) NOT VALID;
ALTER TABLE availability_exception
    ADD CONSTRAINT availability_exception_subject_fkey FOREIGN KEY (organization_id, subject_id)
    REFERENCES subject (organization_id, id) NOT VALID;
ALTER TABLE availability_exception
    ADD CONSTRAINT availability_exception_one_kind_of_subject EXCLUDE USING gist (
        organization_id WITH =,
        subject_id WITH =,
        date WITH =,
        (CASE WHEN NOT is_blocked THEN 0 WHEN custom_start_minute IS NULL THEN 1 ELSE 2 END) WITH <>
    ) WHERE (subject_id IS NOT NULL);
