-- Every claim has a subject by now, so the constraint on its units takes over: it gets the name by which programs of 0.1.0 insert.
-- An appointment, and a hold, may have several claims from here on.
-- Blocks reading and writing of claims, hours and providers for an instant: no table is read.

-- In the order in which a booking reads them, so that it and this never wait for each other in a circle.
LOCK TABLE provider, weekly_hours, weekly_break, availability_exception, claim IN ACCESS EXCLUSIVE MODE;

-- PostgreSQL takes the checks that 0031 validated for it, and reads no row.
ALTER TABLE claim ALTER COLUMN subject_id SET NOT NULL;
ALTER TABLE claim DROP CONSTRAINT claim_subject_given;
ALTER TABLE claim DROP CONSTRAINT claim_no_overlap;
ALTER TABLE claim RENAME CONSTRAINT claim_no_overlap_of_unit TO claim_no_overlap;
-- A subject of a provider is as good: claims name the provider for 0.1.0 only.
ALTER TABLE claim DROP CONSTRAINT claim_provider_fkey;
DROP INDEX claim_of_appointment;
-- claim_by_hold finds them too.
DROP INDEX claim_of_hold;

ALTER TABLE weekly_hours ALTER COLUMN subject_id SET NOT NULL;
ALTER TABLE weekly_hours DROP CONSTRAINT weekly_hours_subject_given;
ALTER TABLE weekly_hours DROP CONSTRAINT weekly_hours_provider_fkey;

ALTER TABLE weekly_break ALTER COLUMN subject_id SET NOT NULL;
ALTER TABLE weekly_break DROP CONSTRAINT weekly_break_subject_given;
ALTER TABLE weekly_break DROP CONSTRAINT weekly_break_provider_fkey;

ALTER TABLE availability_exception ALTER COLUMN subject_id SET NOT NULL;
ALTER TABLE availability_exception DROP CONSTRAINT availability_exception_subject_given;
ALTER TABLE availability_exception DROP CONSTRAINT availability_exception_provider_fkey;
ALTER TABLE availability_exception DROP CONSTRAINT availability_exception_one_kind;
ALTER TABLE availability_exception
    RENAME CONSTRAINT availability_exception_one_kind_of_subject TO availability_exception_one_kind;
ALTER TABLE availability_exception DROP CONSTRAINT availability_exception_ranges_differ;
ALTER TABLE availability_exception
    ADD CONSTRAINT availability_exception_ranges_differ UNIQUE USING INDEX availability_exception_ranges_of_subject_differ;
