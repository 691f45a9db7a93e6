-- A booking in two round trips: a look without locks, and one statement that locks, compares,
-- writes and commits.
--
-- What decides over a subject's time, but for claims and busy times, has a version: of the subject,
-- and of the service that is booked. Triggers raise it, so it rises with every write. A change of
-- rules holds the subject's exclusive lock until it commits, so under the shared lock the version
-- is that of what is committed. Adds two columns with a constant default, which rewrites nothing;
-- blocks writers of these tables for an instant.

ALTER TABLE subject ADD COLUMN rules_version bigint NOT NULL DEFAULT 1;
ALTER TABLE service ADD COLUMN rules_version bigint NOT NULL DEFAULT 1;

CREATE FUNCTION rules_of_subjects_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM subject
    WHERE (organization_id, id) IN (SELECT organization_id, subject_id FROM written)
    -- In one order, so that two that change several subjects do not wait for each other.
    ORDER BY organization_id, id
    FOR NO KEY UPDATE;
    UPDATE subject
    SET rules_version = rules_version + 1
    WHERE (organization_id, id) IN (SELECT organization_id, subject_id FROM written);
    RETURN NULL;
END
$$;

CREATE FUNCTION rules_of_services_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM service
    WHERE (organization_id, id) IN (SELECT organization_id, service_id FROM written)
    ORDER BY organization_id, id
    FOR NO KEY UPDATE;
    -- The trigger of the service does the rest.
    UPDATE service
    SET rules_version = rules_version + 1
    WHERE (organization_id, id) IN (SELECT organization_id, service_id FROM written);
    RETURN NULL;
END
$$;

CREATE FUNCTION subject_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subject SET rules_version = rules_version + 1 WHERE organization_id = NEW.organization_id AND id = NEW.id;
    RETURN NULL;
END
$$;

CREATE FUNCTION service_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.rules_version := OLD.rules_version + 1;
    RETURN NEW;
END
$$;

-- A service that takes all of its providers may have one left, or several again.
CREATE FUNCTION provider_archived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM service
    WHERE organization_id = NEW.organization_id AND id IN (
        SELECT service_id
        FROM service_provider
        WHERE organization_id = NEW.organization_id AND provider_id = NEW.id
    )
    ORDER BY id
    FOR NO KEY UPDATE;
    UPDATE service
    SET rules_version = rules_version + 1
    WHERE organization_id = NEW.organization_id AND id IN (
        SELECT service_id
        FROM service_provider
        WHERE organization_id = NEW.organization_id AND provider_id = NEW.id
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER provider_updated AFTER UPDATE ON provider
    FOR EACH ROW EXECUTE FUNCTION subject_written();
CREATE TRIGGER provider_archived AFTER UPDATE ON provider
    FOR EACH ROW WHEN (OLD.is_archived <> NEW.is_archived) EXECUTE FUNCTION provider_archived();
CREATE TRIGGER resource_updated AFTER UPDATE ON resource
    FOR EACH ROW EXECUTE FUNCTION subject_written();
CREATE TRIGGER service_updated BEFORE UPDATE ON service
    FOR EACH ROW EXECUTE FUNCTION service_written();

CREATE TRIGGER weekly_hours_inserted AFTER INSERT ON weekly_hours REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER weekly_hours_updated AFTER UPDATE ON weekly_hours REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER weekly_hours_deleted AFTER DELETE ON weekly_hours REFERENCING OLD TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER weekly_break_inserted AFTER INSERT ON weekly_break REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER weekly_break_updated AFTER UPDATE ON weekly_break REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER weekly_break_deleted AFTER DELETE ON weekly_break REFERENCING OLD TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER availability_exception_inserted AFTER INSERT ON availability_exception REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER availability_exception_updated AFTER UPDATE ON availability_exception REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER availability_exception_deleted AFTER DELETE ON availability_exception REFERENCING OLD TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER time_off_inserted AFTER INSERT ON time_off REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER time_off_updated AFTER UPDATE ON time_off REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER time_off_deleted AFTER DELETE ON time_off REFERENCING OLD TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_subjects_written();
CREATE TRIGGER service_provider_inserted AFTER INSERT ON service_provider REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_services_written();
CREATE TRIGGER service_provider_updated AFTER UPDATE ON service_provider REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_services_written();
CREATE TRIGGER service_provider_deleted AFTER DELETE ON service_provider REFERENCING OLD TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_services_written();
CREATE TRIGGER service_need_inserted AFTER INSERT ON service_need REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_services_written();
CREATE TRIGGER service_need_updated AFTER UPDATE ON service_need REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_services_written();
CREATE TRIGGER service_need_deleted AFTER DELETE ON service_need REFERENCING OLD TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION rules_of_services_written();

-- Whose record a booking is for; null where there is none yet.
CREATE FUNCTION customer_of_booking(
    of_organization uuid, named_customer uuid, given_subject text, given_email text, given_phone text
) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF named_customer IS NOT NULL THEN
        RETURN named_customer;
    ELSIF given_subject IS NOT NULL THEN
        RETURN (
            SELECT id FROM customer WHERE organization_id = of_organization AND subject = given_subject
        );
    ELSIF given_email IS NOT NULL THEN
        RETURN (
            SELECT id
            FROM customer
            WHERE organization_id = of_organization AND subject IS NULL AND NOT made_by_staff
                AND lower(email) = lower(given_email)
        );
    END IF;
    RETURN (
        SELECT id
        FROM customer
        WHERE organization_id = of_organization AND subject IS NULL AND NOT made_by_staff
            AND email IS NULL AND phone = given_phone
    );
END
$$;

-- All that a booking rests on, but for calendars: the result of its key; the customer's record, the
-- one that staff named, or by subject, or for a guest by e-mail or, without one, by phone; how many
-- confirmed appointments are not over, the customer's and those booked by guests of the network;
-- how many bookings those guests made on the day; whether the organization allows customers to be
-- in two places at once; and when it reminds. Then of the subjects that the visit takes and of the
-- service, if any: the version of their rules; and whether the time that each of them gives is free
-- of claims, expired ones included, and of busy times. Always one row.
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
    rules_version bigint, is_free boolean
) LANGUAGE plpgsql VOLATILE
-- As for claims_under_lock: there is one good plan, and it reads by indexes.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    of_organization CONSTANT uuid := organization_id;
    wanted bigint;
BEGIN
    FOREACH wanted IN ARRAY alone LOOP
        PERFORM pg_advisory_xact_lock(wanted);
    END LOOP;
    FOREACH wanted IN ARRAY shared LOOP
        PERFORM pg_advisory_xact_lock_shared(wanted);
    END LOOP;
    IF cardinality(alone) > 0 THEN
        PERFORM FROM customer
        WHERE customer.organization_id = of_organization
            AND customer.id = customer_of_booking(
                of_organization, named_customer, given_subject, given_email, given_phone
            )
            AND customer.erased_at IS NULL
        FOR KEY SHARE;
    END IF;
    RETURN QUERY
        SELECT known.request_hash, known.appointment_id, known.hold_id, known.session_id,
            person.id, person.subject, person.name, person.email, person.phone, person.time_zone, person.locale,
            person.channels, person.created_at, person.external_id, person.made_by_staff, person.erased_at,
            (
                SELECT count(*)
                FROM appointment
                WHERE appointment.organization_id = of_organization
                    AND appointment.customer_id = person.id
                    AND appointment.status = 'CONFIRMED'
                    -- No visit lasts longer than three days (claim_length), so the index is entered
                    -- three days before.
                    AND appointment.starts_at > open_at - interval '3 days'
                    AND appointment.ends_at > open_at
            ), (
                SELECT count(*)
                FROM appointment
                WHERE appointment.organization_id = of_organization
                    AND appointment.status = 'CONFIRMED'
                    AND appointment.guest_origin = from_origin
                    AND appointment.ends_at > open_at
            ), (
                SELECT tally.count
                FROM network_tally AS tally
                WHERE tally.organization_id = of_organization
                    AND tally.origin = from_origin
                    AND tally.day = on_day
                    AND tally.what = 'BOOKINGS'
            ), organization.allows_customer_overlap, organization.reminder_minutes_before,
            (
                SELECT sum(taken.rules_version)::bigint
                FROM subject AS taken
                WHERE taken.organization_id = of_organization AND taken.id = ANY (subject_ids)
            ) + coalesce((
                SELECT booked.rules_version
                FROM service AS booked
                WHERE booked.organization_id = of_organization AND booked.id = for_service
            ), 0),
            NOT EXISTS (
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
            ) AND NOT EXISTS (
                SELECT
                FROM unnest(subject_ids, claimed_froms, claimed_untils) AS given (subject_id, claimed_from, claimed_until)
                JOIN busy_time
                    ON busy_time.organization_id = of_organization
                    AND busy_time.subject_id = given.subject_id
                    AND busy_time.busy_from > given.claimed_from - longest_minutes
                    AND busy_time.busy_from < given.claimed_until
                    AND busy_time.busy_until > given.claimed_from
            )
        FROM organization
        LEFT JOIN idempotency_key AS known
            ON known.organization_id = of_organization
            AND known.mutation = for_mutation
            AND known.caller = of_caller
            AND known.key = given_key
        LEFT JOIN customer AS person
            ON person.organization_id = of_organization
            AND person.id = customer_of_booking(
                of_organization, named_customer, given_subject, given_email, given_phone
            )
            AND person.erased_at IS NULL
        WHERE organization.id = of_organization;
END
$$;

-- The second trip: takes the locks without waiting, and looks again. It fails with SW001 where a
-- lock is taken or anything looks different, and with it the statement that calls it.
CREATE FUNCTION lock_as_seen(
    organization_id uuid, alone bigint[], shared bigint[], seen bigint, for_mutation text, of_caller text, given_key text,
    given_subject text, given_email text, given_phone text, from_origin bytea, open_at timestamptz, on_day date,
    named_customer uuid, for_service uuid, subject_ids uuid[], claimed_froms integer[], claimed_untils integer[],
    longest_minutes integer
) RETURNS boolean LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    of_organization CONSTANT uuid := organization_id;
    wanted bigint;
    fingerprint bigint;
    known uuid;
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
    SELECT hashtextextended(found::text, 0), found.id
    INTO fingerprint, known
    FROM circumstances_of_booking(
        of_organization, '{}', '{}', for_mutation, of_caller, given_key, given_subject, given_email, given_phone,
        from_origin, open_at, on_day, named_customer, for_service, subject_ids, claimed_froms, claimed_untils,
        longest_minutes
    ) AS found;
    IF fingerprint IS DISTINCT FROM seen THEN
        RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
    END IF;
    IF known IS NOT NULL THEN
        PERFORM FROM customer
        WHERE customer.organization_id = of_organization AND customer.id = known AND customer.erased_at IS NULL
        FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'CHANGED' USING ERRCODE = 'SW001';
        END IF;
    END IF;
    RETURN true;
END
$$;

-- Fails with SW001 where fewer rows were written than wanted: the exclusion constraint objected.
CREATE FUNCTION all_were_taken(taken bigint, wanted bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF taken < wanted THEN
        RAISE EXCEPTION 'TAKEN' USING ERRCODE = 'SW001';
    END IF;
    RETURN true;
END
$$;
