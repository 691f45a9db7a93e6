-- The looks of a booking cost half of what they did: each statement asks only for what counts for
-- this booking, the customer is found once, and the second look asks only for what may have changed
-- and what no constraint refuses. Blocks nobody.

-- How many bookings count against limits: the customer's confirmed appointments that are not over,
-- those booked by guests of the network, and the bookings that those guests made on the day. A null
-- customer or network has none.
CREATE FUNCTION counted_bookings(
    of_organization uuid, of_customer uuid, from_origin bytea, open_at timestamptz, on_day date
) RETURNS integer[] LANGUAGE plpgsql STABLE
-- As for claims_under_lock: there is one good plan, and it reads by indexes.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    open_of_customer integer := 0;
    open_of_network integer := 0;
    made_of_network integer := 0;
BEGIN
    IF of_customer IS NOT NULL THEN
        SELECT count(*)
        INTO open_of_customer
        FROM appointment
        WHERE organization_id = of_organization
            AND customer_id = of_customer
            AND status = 'CONFIRMED'
            -- No visit lasts longer than three days (claim_length), so the index is entered three
            -- days before.
            AND starts_at > open_at - interval '3 days'
            AND ends_at > open_at;
    END IF;
    IF from_origin IS NOT NULL THEN
        SELECT count(*)
        INTO open_of_network
        FROM appointment
        WHERE organization_id = of_organization
            AND status = 'CONFIRMED'
            AND guest_origin = from_origin
            AND ends_at > open_at;
        SELECT coalesce(sum(count), 0)
        INTO made_of_network
        FROM network_tally
        WHERE organization_id = of_organization AND origin = from_origin AND day = on_day AND what = 'BOOKINGS';
    END IF;
    RETURN ARRAY[open_of_customer, open_of_network, made_of_network];
END
$$;

DROP FUNCTION circumstances_of_booking;
DROP FUNCTION lock_as_seen;

-- All that a booking rests on, but for calendars: the result of its key; the customer's record, see
-- customer_of_booking, and what counts against limits, see counted_bookings; whether the
-- organization allows customers to be in two places at once; and when it reminds. Then of the
-- subjects that the visit takes and of the service, if any: the version of their rules; and whether
-- the time that each of them gives is free of claims, expired ones included, and of busy times.
-- The transactions that last wrote the organization's row and the customer's are their versions.
-- Always one row.
--
-- With locks, it takes them first, in the order of the arrays, until the transaction ends, and
-- looks afterwards. Then the customer is locked against an erasure: one that was erased while this
-- waited is not found, and one that is found is not erased before the transaction ends.
CREATE FUNCTION circumstances_of_booking(
    organization_id uuid, alone bigint[], shared bigint[], for_mutation text, of_caller text, given_key text, given_subject text, given_email text,
    given_phone text, from_origin bytea, open_at timestamptz, on_day date, named_customer uuid, for_service uuid,
    subject_ids uuid[], claimed_froms integer[], claimed_untils integer[], longest_minutes integer
) RETURNS TABLE (
    request_hash bytea, appointment_id uuid, hold_id uuid, session_id uuid,
    id uuid, subject text, name text, email text, phone text, time_zone text, locale text, channels text[],
    created_at timestamptz, external_id text, made_by_staff boolean, erased_at timestamptz,
    of_customer bigint, open_of_network bigint, made_of_network integer, allows_overlap boolean, reminders integer[],
    rules_version bigint, is_free boolean, organization_version xid, customer_version xid
) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    of_organization CONSTANT uuid := organization_id;
    wanted bigint;
    known_customer uuid;
    counted integer[] := '{0,0,0}';
    rules bigint := 0;
    each_rules bigint;
    each_is_free boolean;
    all_are_free boolean := true;
BEGIN
    FOREACH wanted IN ARRAY alone LOOP
        PERFORM pg_advisory_xact_lock(wanted);
    END LOOP;
    FOREACH wanted IN ARRAY shared LOOP
        PERFORM pg_advisory_xact_lock_shared(wanted);
    END LOOP;
    known_customer := customer_of_booking(of_organization, named_customer, given_subject, given_email, given_phone);
    IF known_customer IS NOT NULL AND cardinality(alone) > 0 THEN
        PERFORM FROM customer
        WHERE customer.organization_id = of_organization
            AND customer.id = known_customer
            AND customer.erased_at IS NULL
        FOR KEY SHARE;
    END IF;
    IF known_customer IS NOT NULL OR from_origin IS NOT NULL THEN
        counted := counted_bookings(of_organization, known_customer, from_origin, open_at, on_day);
    END IF;
    IF for_service IS NOT NULL THEN
        SELECT booked.rules_version
        INTO rules
        FROM service AS booked
        WHERE booked.organization_id = of_organization AND booked.id = for_service;
    END IF;
    FOR place IN 1 .. cardinality(subject_ids) LOOP
        SELECT taken.rules_version,
            NOT EXISTS (
                SELECT
                FROM claim
                WHERE claim.organization_id = of_organization
                    AND claim.subject_id = taken.id
                    AND claim.active
                    -- What begins earlier is over by then: it bounds the read of the index.
                    AND claim.claimed_from > claimed_froms[place] - longest_minutes
                    AND claim.claimed_from < claimed_untils[place]
                    AND claim.claimed_until > claimed_froms[place]
            ) AND NOT EXISTS (
                SELECT
                FROM busy_time
                WHERE busy_time.organization_id = of_organization
                    AND busy_time.subject_id = taken.id
                    AND busy_time.busy_from > claimed_froms[place] - longest_minutes
                    AND busy_time.busy_from < claimed_untils[place]
                    AND busy_time.busy_until > claimed_froms[place]
            )
        INTO each_rules, each_is_free
        FROM subject AS taken
        WHERE taken.organization_id = of_organization AND taken.id = subject_ids[place];
        rules := rules + each_rules;
        all_are_free := all_are_free AND each_is_free;
    END LOOP;
    RETURN QUERY
        SELECT known.request_hash, known.appointment_id, known.hold_id, known.session_id,
            person.id, person.subject, person.name, person.email, person.phone, person.time_zone, person.locale,
            person.channels, person.created_at, person.external_id, person.made_by_staff, person.erased_at,
            counted[1]::bigint, counted[2]::bigint, counted[3], organization.allows_customer_overlap,
            organization.reminder_minutes_before, rules, all_are_free, organization.xmin, person.xmin
        FROM organization
        LEFT JOIN idempotency_key AS known
            ON known.organization_id = of_organization
            AND known.mutation = for_mutation
            AND known.caller = of_caller
            AND known.key = given_key
        LEFT JOIN customer AS person
            ON person.organization_id = of_organization
            AND person.id = known_customer
            AND person.erased_at IS NULL
        WHERE organization.id = of_organization;
END
$$;

-- The second trip: takes the locks without waiting, and looks again whether all is as it was seen:
-- the versions of the organization's row, of the customer's, if there is one, and of the rules; what
-- counts against limits; the key, which must be unused; and busy times. It fails with SW001 where a
-- lock is taken or anything looks different, and with it the statement that calls it.
--
-- Not looked at is what the statement's own writes decide: a claim that takes the time is refused by
-- claim_no_overlap, and a second record for a new customer by the unique indexes of customers.
CREATE FUNCTION lock_as_seen(
    organization_id uuid, alone bigint[], shared bigint[], seen_organization xid, seen_rules bigint, seen_customer uuid,
    seen_customer_version xid, seen_counts integer[], for_mutation text, of_caller text, given_key text, from_origin bytea,
    open_at timestamptz, on_day date, for_service uuid, subject_ids uuid[], claimed_froms integer[],
    claimed_untils integer[], longest_minutes integer
) RETURNS boolean LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    of_organization CONSTANT uuid := organization_id;
    wanted bigint;
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
    PERFORM FROM organization
    WHERE organization.id = of_organization AND organization.xmin = seen_organization AND NOT EXISTS (
        SELECT
        FROM idempotency_key AS known
        WHERE known.organization_id = of_organization
            AND known.mutation = for_mutation
            AND known.caller = of_caller
            AND known.key = given_key
    );
    IF NOT FOUND THEN
        RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
    END IF;
    IF seen_customer IS NOT NULL THEN
        -- Until the transaction ends, they are not erased.
        PERFORM FROM customer
        WHERE customer.organization_id = of_organization
            AND customer.id = seen_customer
            AND customer.xmin = seen_customer_version
        FOR KEY SHARE SKIP LOCKED;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
        END IF;
    END IF;
    IF seen_customer IS NOT NULL OR from_origin IS NOT NULL THEN
        IF counted_bookings(of_organization, seen_customer, from_origin, open_at, on_day) <> seen_counts THEN
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
                -- As in circumstances_of_booking.
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
