-- Lock, then look, in one round trip. The function is VOLATILE: each of its statements sees what was committed before
-- that statement began, so the look sees what the transactions that held the locks before have written.

CREATE FUNCTION claims_under_lock(
    organization_id uuid, lock_keys bigint[], subject_ids uuid[], from_minute integer, until_minute integer,
    longest_minutes integer
) RETURNS TABLE (
    subject_id uuid, claimed_from integer, claimed_until integer, visit_from integer, visit_until integer,
    appointment_id uuid, expires_at timestamptz, unit integer
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    wanted bigint;
BEGIN
    FOREACH wanted IN ARRAY lock_keys LOOP
        PERFORM pg_advisory_xact_lock(wanted);
    END LOOP;
    RETURN QUERY
        SELECT claim.subject_id, claim.claimed_from, claim.claimed_until, claim.visit_from, claim.visit_until,
            claim.appointment_id, claim.expires_at, claim.unit
        FROM claim
        WHERE claim.organization_id = claims_under_lock.organization_id
            AND claim.subject_id = ANY(subject_ids)
            AND claim.active
            -- What begins earlier is over by from_minute. Without this the index on claimed_from is read from its
            -- beginning.
            AND claim.claimed_from > from_minute - longest_minutes
            AND claim.claimed_from < until_minute
            AND claim.claimed_until > from_minute;
END
$$;
