-- What triggers run, in statements that run where the organization's rows are when the tables are
-- distributed: none changes rows in its WITH, none reads what a trigger is given together with a
-- table, and each inserts from a row of the organization. They do what they did.

CREATE OR REPLACE FUNCTION remember_customer(of_organization uuid, of_customer uuid) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    known_readers uuid[];
    known_lines text[];
BEGIN
    -- Two transactions that write about one customer take turns, and the second one sees what the first one wrote.
    PERFORM FROM customer WHERE organization_id = of_organization AND id = of_customer FOR NO KEY UPDATE;
    WITH person AS (
        SELECT name, email, phone, made_by_provider
        FROM customer
        WHERE organization_id = of_organization AND id = of_customer AND erased_at IS NULL
    ), given (reader_id, given_at, name, email, phone) AS (
        SELECT reader_id, timestamptz 'infinity', name, email, phone
        FROM person
        CROSS JOIN unnest(ARRAY[of_organization, made_by_provider]) AS reader (reader_id)
        WHERE reader_id IS NOT NULL
        UNION ALL
        SELECT reader_id, created_at, contact_name, contact_email, contact_phone
        FROM appointment
        CROSS JOIN unnest(of_organization || coalesce(provider_ids, ARRAY[provider_id])) AS reader (reader_id)
        WHERE organization_id = of_organization AND customer_id = of_customer AND EXISTS (SELECT FROM person)
    ), contact AS MATERIALIZED (
        SELECT name, email, phone, contact_words(name, email, phone) AS words
        FROM (SELECT DISTINCT name, email, phone FROM given) AS once
    ), known AS (
        SELECT given.reader_id, contact.words, max(given.given_at) AS given_at
        FROM given
        JOIN contact
            ON contact.name = given.name
            AND contact.email IS NOT DISTINCT FROM given.email
            AND contact.phone IS NOT DISTINCT FROM given.phone
        GROUP BY given.reader_id, contact.words
    ), reader AS (
        SELECT known.reader_id,
            word_lines(array_agg(each.word ORDER BY known.given_at DESC, known.words, each.place)) AS lines
        FROM known
        CROSS JOIN unnest(known.words) WITH ORDINALITY AS each (word, place)
        GROUP BY known.reader_id
    ), line AS (
        SELECT DISTINCT reader.reader_id, each.line
        FROM reader
        CROSS JOIN unnest(reader.lines) AS each (line)
    )
    SELECT coalesce(array_agg(line.reader_id), '{}'), coalesce(array_agg(line.line), '{}')
    INTO known_readers, known_lines
    FROM line;
    DELETE FROM customer_word
    WHERE organization_id = of_organization AND customer_id = of_customer
        AND NOT EXISTS (
            SELECT
            FROM unnest(known_readers, known_lines) AS known (reader_id, line)
            WHERE known.reader_id = customer_word.reader_id AND known.line = customer_word.line
        );
    INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
    SELECT customer.organization_id, known.reader_id, known.line, customer.id
    FROM customer
    CROSS JOIN unnest(known_readers, known_lines) AS known (reader_id, line)
    WHERE customer.organization_id = of_organization AND customer.id = of_customer
    ON CONFLICT DO NOTHING;
END
$$;

CREATE OR REPLACE FUNCTION rules_of_subjects_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    each record;
BEGIN
    -- In one order, so that two that change several subjects do not wait for each other.
    FOR each IN SELECT DISTINCT organization_id, subject_id FROM written ORDER BY organization_id, subject_id LOOP
        UPDATE subject
        SET rules_version = rules_version + 1
        WHERE organization_id = each.organization_id AND id = each.subject_id;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION rules_of_services_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT DISTINCT organization_id, service_id FROM written ORDER BY organization_id, service_id LOOP
        -- The trigger of the service raises its version.
        UPDATE service
        SET rules_version = rules_version
        WHERE organization_id = each.organization_id AND id = each.service_id;
    END LOOP;
    RETURN NULL;
END
$$;

-- As before, but the organization's row is read by itself: it is on every node, and a function that
-- runs where the organization's other rows are does not join it to them.
CREATE OR REPLACE FUNCTION circumstances_of_booking(
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
    overlap_is_allowed boolean;
    reminded integer[];
    version_of_organization xid;
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
    SELECT organization.allows_customer_overlap, organization.reminder_minutes_before, organization.xmin
    INTO STRICT overlap_is_allowed, reminded, version_of_organization
    FROM organization
    WHERE organization.id = of_organization;
    RETURN QUERY
        SELECT known.request_hash, known.appointment_id, known.hold_id, known.session_id,
            person.id, person.subject, person.name, person.email, person.phone, person.time_zone, person.locale,
            person.channels, person.created_at, person.external_id, person.made_by_staff, person.erased_at,
            counted[1]::bigint, counted[2]::bigint, counted[3], overlap_is_allowed, reminded, rules, all_are_free,
            version_of_organization, person.xmin
        FROM (VALUES (true)) AS always
        LEFT JOIN idempotency_key AS known
            ON known.organization_id = of_organization
            AND known.mutation = for_mutation
            AND known.caller = of_caller
            AND known.key = given_key
        LEFT JOIN customer AS person
            ON person.organization_id = of_organization
            -- Nobody has the id of zeros. A null would leave the join without the organization, for Citus.
            AND person.id = coalesce(known_customer, '00000000-0000-0000-0000-000000000000')
            AND person.erased_at IS NULL;
END
$$;
