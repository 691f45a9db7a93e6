-- A move rests on the organization's settings as well: when it reminds, and whether customers may be
-- in two places at once. Blocks nobody.

DROP FUNCTION lock_change_as_seen;

-- As before, and it fails where the organization's row was written since: its version is the
-- transaction that last wrote it. Null asks for nothing.
CREATE FUNCTION lock_change_as_seen(
    organization_id uuid, alone bigint[], shared bigint[], changed_appointment uuid, seen_version integer, seen_rules bigint,
    for_mutation text, of_caller text, given_key text, subject_ids uuid[], claimed_froms integer[],
    claimed_untils integer[], longest_minutes integer, seen_organization xid
) RETURNS boolean LANGUAGE plpgsql VOLATILE
-- As for claims_under_lock: there is one good plan, and it reads by indexes.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    of_organization CONSTANT uuid := organization_id;
    wanted bigint;
    version_now integer;
    of_customer uuid;
    for_service uuid;
BEGIN
    FOREACH wanted IN ARRAY alone LOOP
        IF NOT pg_try_advisory_xact_lock(wanted) THEN
            RAISE EXCEPTION 'LOCKED' USING ERRCODE = 'SW001';
        END IF;
    END LOOP;
    FOREACH wanted IN ARRAY shared LOOP
        IF NOT pg_try_advisory_xact_lock_shared(wanted) THEN
            RAISE EXCEPTION 'LOCKED' USING ERRCODE = 'SW001';
        END IF;
    END LOOP;
    SELECT version, customer_id, service_id
    INTO version_now, of_customer, for_service
    FROM appointment
    WHERE appointment.organization_id = of_organization AND appointment.id = changed_appointment
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'LOCKED' USING ERRCODE = 'SW001';
    END IF;
    PERFORM FROM customer
    WHERE customer.organization_id = of_organization AND customer.id = of_customer AND customer.erased_at IS NULL
    FOR KEY SHARE SKIP LOCKED;
    -- One statement after all locks: it sees what those had written who held them before.
    IF NOT FOUND OR version_now <> seen_version OR EXISTS (
        SELECT
        FROM organization
        WHERE organization.id = of_organization AND organization.xmin <> seen_organization
    ) OR EXISTS (
        SELECT
        FROM idempotency_key AS known
        WHERE known.organization_id = of_organization
            AND known.mutation = for_mutation
            AND known.caller = of_caller
            AND known.key = given_key
    ) OR seen_rules IS DISTINCT FROM (
        SELECT sum(taken.rules_version)::bigint
        FROM subject AS taken
        WHERE taken.organization_id = of_organization AND taken.id = ANY (subject_ids)
    ) + coalesce((
        SELECT booked.rules_version
        FROM service AS booked
        WHERE booked.organization_id = of_organization AND booked.id = for_service
    ), 0) OR EXISTS (
        SELECT
        FROM unnest(subject_ids, claimed_froms, claimed_untils) AS given (subject_id, claimed_from, claimed_until)
        JOIN claim
            ON claim.organization_id = of_organization
            AND claim.subject_id = given.subject_id
            AND claim.active
            -- What begins earlier is over by then: it bounds the read of the index.
            AND claim.claimed_from > given.claimed_from - longest_minutes
            AND claim.claimed_from < given.claimed_until
            AND claim.claimed_until > given.claimed_from
            AND claim.appointment_id IS DISTINCT FROM changed_appointment
    ) OR EXISTS (
        SELECT
        FROM unnest(subject_ids, claimed_froms, claimed_untils) AS given (subject_id, claimed_from, claimed_until)
        JOIN busy_time
            ON busy_time.organization_id = of_organization
            AND busy_time.subject_id = given.subject_id
            AND busy_time.busy_from > given.claimed_from - longest_minutes
            AND busy_time.busy_from < given.claimed_until
            AND busy_time.busy_until > given.claimed_from
    ) THEN
        RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
    END IF;
    RETURN true;
END
$$;
