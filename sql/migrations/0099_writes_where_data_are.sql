-- The short way where the database is distributed: one call of a function that runs where the
-- organization's rows are. Blocks nobody.

-- As before, but by small statements, one for each table: Citus does not run the large one. And claims
-- are not looked at, as in book_as_seen: the constraint refuses a time that is taken when it is written.
CREATE OR REPLACE FUNCTION lock_change_as_seen(
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
    rules bigint := 0;
    each_rules bigint;
    is_busy boolean;
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
    IF version_now <> seen_version THEN
        RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
    END IF;
    PERFORM FROM customer
    WHERE customer.organization_id = of_organization AND customer.id = of_customer AND customer.erased_at IS NULL
    FOR KEY SHARE SKIP LOCKED;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
    END IF;
    IF seen_organization IS NOT NULL THEN
        PERFORM FROM organization
        WHERE organization.id = of_organization AND organization.xmin = seen_organization;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
        END IF;
    END IF;
    IF given_key IS NOT NULL THEN
        PERFORM FROM idempotency_key AS known
        WHERE known.organization_id = of_organization
            AND known.mutation = for_mutation
            AND known.caller = of_caller
            AND known.key = given_key;
        IF FOUND THEN
            RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
        END IF;
    END IF;
    IF for_service IS NOT NULL THEN
        SELECT booked.rules_version
        INTO rules
        FROM service AS booked
        WHERE booked.organization_id = of_organization AND booked.id = for_service;
    END IF;
    FOR place IN 1 .. cardinality(subject_ids) LOOP
        SELECT taken.rules_version, EXISTS (
            SELECT
            FROM busy_time
            WHERE busy_time.organization_id = of_organization
                AND busy_time.subject_id = taken.id
                -- What begins earlier is over by then: it bounds the read of the index.
                AND busy_time.busy_from > claimed_froms[place] - longest_minutes
                AND busy_time.busy_from < claimed_untils[place]
                AND busy_time.busy_until > claimed_froms[place]
        )
        INTO each_rules, is_busy
        FROM subject AS taken
        WHERE taken.organization_id = of_organization AND taken.id = subject_ids[place];
        IF is_busy THEN
            RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
        END IF;
        rules := rules + each_rules;
    END LOOP;
    IF rules IS DISTINCT FROM seen_rules THEN
        RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
    END IF;
    RETURN true;
END
$$;

-- Runs statements of one organization, the first one first. Gives how many rows each touched, and
-- fails with SW001 where one touched fewer than it has to. In their texts, %1$L is the organization and
-- %2$L the first of the arguments, which are those of all of them, as text: so format() puts literals
-- in their places. A later program sends other statements, and the function stays as it is.
CREATE FUNCTION write_at_once(organization_id uuid, statements text[], at_least bigint[], arguments text[])
RETURNS bigint[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    all_arguments CONSTANT text[] := organization_id::text || arguments;
    touched bigint;
    touched_by_each bigint[] := '{}';
BEGIN
    FOR place IN 1 .. cardinality(statements) LOOP
        EXECUTE format(statements[place], VARIADIC all_arguments);
        GET DIAGNOSTICS touched = ROW_COUNT;
        IF touched < at_least[place] THEN
            RAISE EXCEPTION 'TAKEN' USING ERRCODE = 'SW001';
        END IF;
        touched_by_each := touched_by_each || touched;
    END LOOP;
    RETURN touched_by_each;
END
$$;
