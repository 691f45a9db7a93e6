-- transaction: each statement
-- Gives every claim, and all hours, their subjects; then checks what 0029 and 0030 left to check, and builds the indexes.
-- A statement with parameters works on one batch, in a transaction of its own: its row says where the next batch begins, and
-- no row is the end. Blocks nobody: a batch that meets a row which somebody else is changing gives way, and is tried again.

WITH batch AS (
    SELECT organization_id, id, subject_id IS NULL AS is_empty
    FROM claim
    WHERE (organization_id, id) > (coalesce($1::uuid, '00000000-0000-0000-0000-000000000000'),
        coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
    ORDER BY organization_id, id
    LIMIT 2000
), filled AS (
    UPDATE claim SET subject_id = coalesce(claim.subject_id, claim.provider_id)
    FROM batch
    WHERE batch.is_empty AND claim.organization_id = batch.organization_id AND claim.id = batch.id
)
SELECT organization_id, id FROM batch ORDER BY organization_id DESC, id DESC LIMIT 1;

WITH batch AS (
    SELECT organization_id, id, subject_id IS NULL AS is_empty
    FROM weekly_hours
    WHERE (organization_id, id) > (coalesce($1::uuid, '00000000-0000-0000-0000-000000000000'),
        coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
    ORDER BY organization_id, id
    LIMIT 2000
), filled AS (
    UPDATE weekly_hours SET subject_id = coalesce(weekly_hours.subject_id, weekly_hours.provider_id)
    FROM batch
    WHERE batch.is_empty AND weekly_hours.organization_id = batch.organization_id AND weekly_hours.id = batch.id
)
SELECT organization_id, id FROM batch ORDER BY organization_id DESC, id DESC LIMIT 1;

WITH batch AS (
    SELECT organization_id, id, subject_id IS NULL AS is_empty
    FROM weekly_break
    WHERE (organization_id, id) > (coalesce($1::uuid, '00000000-0000-0000-0000-000000000000'),
        coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
    ORDER BY organization_id, id
    LIMIT 2000
), filled AS (
    UPDATE weekly_break SET subject_id = coalesce(weekly_break.subject_id, weekly_break.provider_id)
    FROM batch
    WHERE batch.is_empty AND weekly_break.organization_id = batch.organization_id AND weekly_break.id = batch.id
)
SELECT organization_id, id FROM batch ORDER BY organization_id DESC, id DESC LIMIT 1;

WITH batch AS (
    SELECT organization_id, id, subject_id IS NULL AS is_empty
    FROM availability_exception
    WHERE (organization_id, id) > (coalesce($1::uuid, '00000000-0000-0000-0000-000000000000'),
        coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
    ORDER BY organization_id, id
    LIMIT 2000
), filled AS (
    UPDATE availability_exception SET subject_id = coalesce(availability_exception.subject_id, availability_exception.provider_id)
    FROM batch
    WHERE batch.is_empty AND availability_exception.organization_id = batch.organization_id AND availability_exception.id = batch.id
)
SELECT organization_id, id FROM batch ORDER BY organization_id DESC, id DESC LIMIT 1;

ALTER TABLE claim VALIDATE CONSTRAINT claim_unit_range;

ALTER TABLE claim VALIDATE CONSTRAINT claim_subject_given;

ALTER TABLE claim VALIDATE CONSTRAINT claim_subject_fkey;

ALTER TABLE weekly_hours VALIDATE CONSTRAINT weekly_hours_subject_given;

ALTER TABLE weekly_hours VALIDATE CONSTRAINT weekly_hours_subject_fkey;

ALTER TABLE weekly_break VALIDATE CONSTRAINT weekly_break_subject_given;

ALTER TABLE weekly_break VALIDATE CONSTRAINT weekly_break_subject_fkey;

ALTER TABLE availability_exception VALIDATE CONSTRAINT availability_exception_subject_given;

ALTER TABLE availability_exception VALIDATE CONSTRAINT availability_exception_subject_fkey;

-- An index whose building was interrupted is there, and invalid: each is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS claim_taken;

-- What stands in a subject's calendar, answered from the index alone.
CREATE INDEX CONCURRENTLY claim_taken ON claim (organization_id, subject_id, claimed_from)
    INCLUDE (claimed_until, visit_from, visit_until, appointment_id, expires_at, unit) WHERE (active);

DROP INDEX CONCURRENTLY IF EXISTS claim_by_appointment;

-- The claims of an appointment. No unit is among them twice: they have the visit in common, so claim_no_overlap objects.
CREATE INDEX CONCURRENTLY claim_by_appointment ON claim (organization_id, appointment_id)
    WHERE (active AND appointment_id IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS weekly_hours_by_subject;

CREATE INDEX CONCURRENTLY weekly_hours_by_subject ON weekly_hours (organization_id, subject_id);

DROP INDEX CONCURRENTLY IF EXISTS weekly_break_by_subject;

CREATE INDEX CONCURRENTLY weekly_break_by_subject ON weekly_break (organization_id, subject_id);

DROP INDEX CONCURRENTLY IF EXISTS availability_exception_ranges_of_subject_differ;

CREATE UNIQUE INDEX CONCURRENTLY availability_exception_ranges_of_subject_differ
    ON availability_exception (organization_id, subject_id, date, custom_start_minute) NULLS NOT DISTINCT;
