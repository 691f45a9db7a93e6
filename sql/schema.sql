-- What the database looks like after all migrations. Dumped by `make schema`, never edited.

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

CREATE FUNCTION public.all_were_taken(taken bigint, wanted bigint) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
    IF taken < wanted THEN
        RAISE EXCEPTION 'TAKEN' USING ERRCODE = 'SW001';
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION public.appointment_history_is_sound(version integer, kind text, actor text, from_status text, to_status text, from_starts_at timestamp with time zone, assignment text, ignored text[], is_readdressed boolean, former_email text, former_phone text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
BEGIN
    RETURN kind || ' ' || coalesce(from_status, '-') || ' ' || to_status = ANY (ARRAY[
            'BOOKED - CONFIRMED', 'RESCHEDULED CONFIRMED CONFIRMED', 'CANCELLED CONFIRMED CANCELLED',
            'COMPLETED CONFIRMED COMPLETED', 'COMPLETED NO_SHOW COMPLETED', 'NO_SHOW CONFIRMED NO_SHOW',
            'NO_SHOW COMPLETED NO_SHOW', 'CORRECTED CONFIRMED CONFIRMED', 'CORRECTED CANCELLED CANCELLED',
            'CORRECTED COMPLETED COMPLETED', 'CORRECTED NO_SHOW NO_SHOW'
        ])
        AND (version = 1) = (kind = 'BOOKED')
        AND (kind = 'BOOKED') = (from_status IS NULL)
        AND (from_status IS NULL) = (from_starts_at IS NULL)
        AND actor = ANY (ARRAY['GUEST', 'MANAGE_TOKEN', 'CUSTOMER', 'PROVIDER', 'RECEPTION', 'ADMIN', 'SYSTEM'])
        AND assignment = ANY (ARRAY['PRIORITY', 'LEAST_BUSY', 'LONGEST_IDLE'])
        AND ignored <> '{}' AND ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS,BUSY_ELSEWHERE}'
        AND (is_readdressed OR (former_email IS NULL AND former_phone IS NULL));
END
$$;

CREATE FUNCTION public.appointment_is_sound(status text, starts_at timestamp with time zone, ends_at timestamp with time zone, customer_time_zone text, contact_name text, contact_email text, contact_phone text, contact_locale text, contact_channels text[], notes text, staff_notes text, external_id text, guest_origin bytea, version integer, time_version integer, manage_generation integer, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_grace_minutes integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, cancelled_at timestamp with time zone, cancellation_reason text, cancellation_fee_minor bigint, cancellation_fee_currency text, provider_id uuid, provider_ids uuid[], named integer, resource_ids uuid[], session_id uuid, seats integer, ignored text[]) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $_$
BEGIN
    RETURN starts_at < ends_at
        AND version >= 1 AND time_version >= 1 AND time_version <= version
        AND manage_generation >= 0
        -- What was given
        AND char_length(contact_name) BETWEEN 1 AND 200
        AND char_length(contact_email) BETWEEN 3 AND 254
        AND contact_phone ~ '^\+[0-9]{3,15}$'
        AND char_length(contact_locale) BETWEEN 2 AND 35
        AND contact_channels <@ ARRAY['EMAIL', 'SMS']
        AND char_length(customer_time_zone) BETWEEN 1 AND 64
        AND char_length(notes) BETWEEN 1 AND 2000
        AND char_length(staff_notes) BETWEEN 1 AND 2000
        AND char_length(external_id) BETWEEN 1 AND 255
        AND octet_length(guest_origin) = 16
        -- Price and policy
        AND price_minor BETWEEN 0 AND 2147483647
        AND price_currency ~ '^[A-Z]{3}$'
        AND (price_minor IS NULL) = (price_currency IS NULL)
        AND policy_free_until_minutes_before BETWEEN 0 AND 1584000
        AND policy_grace_minutes BETWEEN 0 AND 1584000
        AND policy_late_cancellation IN ('ALLOWED', 'FEE', 'REFUSED')
        AND policy_late_fee_minor BETWEEN 0 AND 2147483647
        AND policy_late_fee_currency ~ '^[A-Z]{3}$'
        AND policy_late_fee_percent BETWEEN 1 AND 100
        AND num_nonnulls(policy_late_fee_minor, policy_late_fee_percent)
            = CASE WHEN policy_late_cancellation = 'FEE' THEN 1 ELSE 0 END
        AND (policy_late_fee_minor IS NULL) = (policy_late_fee_currency IS NULL)
        AND (policy_late_fee_percent IS NULL OR price_minor IS NOT NULL)
        -- Its cancellation
        AND (status = 'CANCELLED') = (cancelled_at IS NOT NULL)
        AND char_length(cancellation_reason) BETWEEN 1 AND 500
        AND cancellation_fee_minor BETWEEN 0 AND 2147483647
        AND cancellation_fee_currency ~ '^[A-Z]{3}$'
        AND (cancellation_fee_minor IS NULL) = (cancellation_fee_currency IS NULL)
        AND (cancellation_fee_minor IS NULL OR status = 'CANCELLED')
        -- What it takes
        AND (
            (provider_ids IS NULL AND named IS NULL AND resource_ids IS NULL)
            OR (
                provider_ids[1] = provider_id AND named >= 0 AND named <= cardinality(provider_ids)
                AND resource_ids IS NOT NULL
            ) IS TRUE
        )
        AND seats >= 1 AND seats <= CASE WHEN session_id IS NULL THEN 1 ELSE 1000 END
        AND ignored <> '{}' AND ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS,BUSY_ELSEWHERE}';
END
$_$;

CREATE FUNCTION public.appointment_written() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
    readers uuid[] := NEW.organization_id || coalesce(NEW.provider_ids, ARRAY[NEW.provider_id]);
    words text[];
    of_customer bigint;
    with_all_words bigint;
    with_any uuid[];
    without_any uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        words := contact_words(NEW.contact_name, NEW.contact_email, NEW.contact_phone);
        SELECT count(*), count(*) FILTER (
                WHERE reader_id = ANY (readers) AND starts_with(line, ' ') AND string_to_array(line, ' ') @> words
            )
        INTO of_customer, with_all_words
        FROM customer_word
        WHERE organization_id = NEW.organization_id AND customer_id = NEW.customer_id;
        -- Most who book again give the same contact, and are known by it already.
        IF with_all_words = cardinality(readers) THEN
            RETURN NULL;
        END IF;
        -- Nobody else sees a customer whom this transaction has made, so nobody else writes their words.
        IF of_customer = 0 THEN
            INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
            SELECT customer.organization_id, reader.id, each.line, customer.id
            FROM customer
            CROSS JOIN unnest(readers) AS reader (id)
            CROSS JOIN unnest(word_lines(words)) AS each (line)
            WHERE customer.organization_id = NEW.organization_id
                AND customer.id = NEW.customer_id
                AND customer.xmin = pg_current_xact_id()::xid
                AND customer.name = NEW.contact_name
                AND customer.email IS NOT DISTINCT FROM NEW.contact_email
                AND customer.phone IS NOT DISTINCT FROM NEW.contact_phone
                AND customer.made_by_provider IS NULL
                AND customer.erased_at IS NULL;
            IF FOUND THEN
                RETURN NULL;
            END IF;
        ELSE
            -- As in remember_customer, those who write about one customer take turns.
            PERFORM
            FROM customer
            WHERE organization_id = NEW.organization_id AND id = NEW.customer_id AND erased_at IS NULL
            FOR NO KEY UPDATE;
            -- Not by groups of readers: PostgreSQL might then read the words of all customers in the order of readers.
            SELECT coalesce(array_agg(reader_id) FILTER (WHERE starts_with(line, ' ')), '{}'), count(*) FILTER (
                    WHERE reader_id = ANY (readers) AND starts_with(line, ' ') AND string_to_array(line, ' ') @> words
                )
            INTO with_any, with_all_words
            FROM customer_word
            WHERE organization_id = NEW.organization_id AND customer_id = NEW.customer_id;
            without_any := ARRAY(SELECT id FROM unnest(readers) AS reader (id) WHERE id <> ALL (with_any));
            IF with_all_words + cardinality(without_any) = cardinality(readers) THEN
                INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
                SELECT customer.organization_id, reader.id, each.line, customer.id
                FROM customer
                CROSS JOIN unnest(without_any) AS reader (id)
                CROSS JOIN unnest(word_lines(words)) AS each (line)
                WHERE customer.organization_id = NEW.organization_id AND customer.id = NEW.customer_id;
                RETURN NULL;
            END IF;
        END IF;
    END IF;
    PERFORM remember_customer(NEW.organization_id, NEW.customer_id);
    RETURN NULL;
END
$$;

CREATE FUNCTION public.circumstances_of_booking(organization_id uuid, alone bigint[], shared bigint[], for_mutation text, of_caller text, given_key text, given_subject text, given_email text, given_phone text, from_origin bytea, open_at timestamp with time zone, on_day date, named_customer uuid, for_service uuid, subject_ids uuid[], claimed_froms integer[], claimed_untils integer[], longest_minutes integer) RETURNS TABLE(request_hash bytea, appointment_id uuid, hold_id uuid, session_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, locale text, channels text[], created_at timestamp with time zone, external_id text, made_by_staff boolean, erased_at timestamp with time zone, of_customer bigint, open_of_network bigint, made_of_network integer, allows_overlap boolean, reminders integer[], rules_version bigint, is_free boolean, organization_version xid, customer_version xid)
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
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

CREATE FUNCTION public.claim_is_sound(during tstzrange, visit tstzrange, unit integer, appointment_id uuid, hold_id uuid, session_id uuid, expires_at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
BEGIN
    RETURN unit >= 1
        AND num_nonnulls(appointment_id, hold_id, session_id) = 1
        AND (session_id IS NOT NULL OR (hold_id IS NULL) = (expires_at IS NULL))
        AND lower_inc(during) AND NOT upper_inc(during) AND NOT isempty(during)
        AND lower_inc(visit) AND NOT upper_inc(visit) AND NOT isempty(visit)
        AND visit <@ during
        -- No longer than three days
        AND extract(epoch FROM upper(during)) - extract(epoch FROM lower(during)) <= 3 * 86400
        -- Whole minutes
        AND mod(extract(epoch FROM lower(during)), 60) = 0
        AND mod(extract(epoch FROM upper(during)), 60) = 0
        AND mod(extract(epoch FROM lower(visit)), 60) = 0
        AND mod(extract(epoch FROM upper(visit)), 60) = 0;
END
$$;

CREATE FUNCTION public.claims_under_lock(organization_id uuid, lock_keys bigint[], subject_ids uuid[], from_minute integer, until_minute integer, longest_minutes integer) RETURNS TABLE(subject_id uuid, claimed_from integer, claimed_until integer, visit_from integer, visit_until integer, appointment_id uuid, expires_at timestamp with time zone, unit integer)
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
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
            AND claim.claimed_until > from_minute
        UNION ALL
        -- A busy time is on unit 0, which stands for all units of its subject.
        SELECT busy_time.subject_id, busy_time.busy_from, busy_time.busy_until, busy_time.busy_from, busy_time.busy_until,
            NULL::uuid, NULL::timestamptz, 0
        FROM busy_time
        WHERE busy_time.organization_id = claims_under_lock.organization_id
            AND busy_time.subject_id = ANY(subject_ids)
            AND busy_time.busy_from > from_minute - longest_minutes
            AND busy_time.busy_from < until_minute
            AND busy_time.busy_until > from_minute;
END
$$;

CREATE FUNCTION public.contact_words(name text, email text, phone text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
    words text[] := search_words(name) || coalesce(search_words(email), '{}');
    home text;
BEGIN
    IF phone IS NOT NULL THEN
        home := regexp_replace(
            phone,
            '^\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(2[1-689]|3[578]|42|5[09]|6[7-9]|8[0357-9]|9[679])[0-9])',
            ''
        );
        words := words || ARRAY[substr(phone, 2), home, '0' || home];
    END IF;
    RETURN words;
END
$$;

CREATE FUNCTION public.counted_bookings(of_organization uuid, of_customer uuid, from_origin bytea, open_at timestamp with time zone, on_day date) RETURNS integer[]
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
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

CREATE FUNCTION public.customer_is_sound(subject text, name text, email text, phone text, time_zone text, locale text, channels text[], external_id text, made_by_staff boolean, made_by_provider uuid) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $_$
BEGIN
    RETURN char_length(subject) BETWEEN 1 AND 255
        AND char_length(name) BETWEEN 1 AND 200
        AND char_length(email) BETWEEN 3 AND 254
        AND phone ~ '^\+[0-9]{3,15}$'
        AND char_length(time_zone) BETWEEN 1 AND 64
        AND char_length(locale) BETWEEN 2 AND 35
        AND channels <@ ARRAY['EMAIL', 'SMS']
        AND char_length(external_id) BETWEEN 1 AND 255
        AND (made_by_provider IS NULL OR made_by_staff);
END
$_$;

CREATE FUNCTION public.customer_of_booking(of_organization uuid, named_customer uuid, given_subject text, given_email text, given_phone text) RETURNS uuid
    LANGUAGE plpgsql STABLE
    AS $$
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

CREATE FUNCTION public.customer_written() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM remember_customer(NEW.organization_id, NEW.id);
    RETURN NULL;
END
$$;

CREATE FUNCTION public.event_is_sound(type text, version integer, actor text, actor_subject text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $_$
BEGIN
    RETURN type ~ '^[A-Z]+(_[A-Z]+)+$'
        AND version >= 1
        AND actor = ANY (ARRAY['GUEST', 'MANAGE_TOKEN', 'CUSTOMER', 'PROVIDER', 'RECEPTION', 'ADMIN', 'SYSTEM'])
        AND (actor_subject IS NULL OR actor = ANY (ARRAY['PROVIDER', 'RECEPTION', 'ADMIN']));
END
$_$;

CREATE FUNCTION public.lock_change_as_seen(organization_id uuid, alone bigint[], shared bigint[], changed_appointment uuid, seen_version integer, seen_rules bigint, for_mutation text, of_caller text, given_key text, subject_ids uuid[], claimed_froms integer[], claimed_untils integer[], longest_minutes integer, seen_organization xid) RETURNS boolean
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
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

CREATE FUNCTION public.name_sort_key(name text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (((("left"(lower((replace(replace(replace(replace(translate(regexp_replace(NORMALIZE(name, NFKD), '[\u0300-\u036f]'::text, ''::text, 'g'::text), 'ØøŁłĐđÐðĦħıΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩςАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЄІҐЂЈЉЊЋЏ'::text, 'oollddddhhiαβγδεζηθικλμνξοπρστυφχψωσабвгдежзиклмнопрстуфхцчшщъыьэюяєіґђјљњћџ'::text), 'ß'::text, 'ss'::text), 'ẞ'::text, 'ss'::text), 'Æ'::text, 'ae'::text), 'æ'::text, 'ae'::text) COLLATE "C")), 200) || chr(1)) || "left"(lower((NORMALIZE(name, NFD) COLLATE "C")), 200)) || chr(1)) || "left"(translate(name, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'::text, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'::text), 200));

CREATE FUNCTION public.provider_archived() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.record_events(organization_id uuid, ids uuid[], types text[], subject_ids uuid[], versions integer[], provider_ids uuid[], customer_ids uuid[], occurred_at timestamp with time zone, actor text, actor_subject text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_variable
DECLARE
    latest integer;
    is_of_this_run boolean;
BEGIN
    SELECT known.epoch, known.server_started_at = pg_postmaster_start_time()
    INTO latest, is_of_this_run
    FROM event_epoch AS known
    WHERE known.organization_id = record_events.organization_id;
    IF is_of_this_run IS NOT TRUE THEN
        latest := coalesce(latest, 0) + 1;
        INSERT INTO event_epoch (organization_id, epoch, server_started_at)
        VALUES (record_events.organization_id, latest, pg_postmaster_start_time())
        ON CONFLICT ON CONSTRAINT event_epoch_pkey
            DO UPDATE SET epoch = excluded.epoch, server_started_at = excluded.server_started_at;
    END IF;
    FOR place IN 1 .. cardinality(ids) LOOP
        INSERT INTO event (organization_id, epoch, transaction_id, id, type, subject_id, version, provider_id, customer_id,
            occurred_at, actor, actor_subject)
        VALUES (record_events.organization_id, latest, pg_current_xact_id()::text::bigint, ids[place], types[place],
            subject_ids[place], versions[place], provider_ids[place], customer_ids[place], record_events.occurred_at,
            record_events.actor, record_events.actor_subject);
    END LOOP;
    RETURN true;
END
$$;

CREATE FUNCTION public.remember_customer(of_organization uuid, of_customer uuid) RETURNS void
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
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

CREATE FUNCTION public.rules_of_services_written() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.rules_of_subjects_written() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.search_words(said text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
BEGIN
    RETURN array_remove(regexp_split_to_array(
        regexp_replace(regexp_replace(
            replace(split_part(
                -- The letters of a name as it is sorted. Those of ASCII have neither accents nor ligatures.
                CASE
                    WHEN octet_length(said) = char_length(said) THEN left(lower(said COLLATE "C"), 200)
                    ELSE name_sort_key(said)
                END, chr(1), 1
            ), '(0)', ''),
            '([0-9])[-+ ./()]+(?=[0-9])', '\1', 'g'
        ), '(^|[^a-z0-9])00(?=[1-9])', '\1', 'g'),
        -- Whatever is neither a letter nor a digit in ASCII, Latin 1, and Unicode's blocks of punctuation. No locale decides.
        '[\u0001-\u002f\u003a-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+'
    ), '');
END
$$;

CREATE FUNCTION public.service_written() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.rules_version := OLD.rules_version + 1;
    RETURN NEW;
END
$$;

CREATE FUNCTION public.subject_for_provider() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO subject (organization_id, id, kind) VALUES (NEW.organization_id, NEW.id, 'PROVIDER')
    ON CONFLICT DO NOTHING;
    RETURN NEW;
END
$$;

CREATE FUNCTION public.subject_is_provider() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.subject_id := NEW.provider_id;
    RETURN NEW;
END
$$;

CREATE FUNCTION public.subject_written() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE subject SET rules_version = rules_version + 1 WHERE organization_id = NEW.organization_id AND id = NEW.id;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.try_to_book(organization_id uuid, alone bigint[], shared bigint[], seen_organization xid, seen_rules bigint, seen_customer uuid, seen_customer_version xid, seen_counts integer[], open_at timestamp with time zone, on_day date, minute_from integer, minute_until integer, longest_minutes integer, claim_id uuid, unit integer, claimed_from timestamp with time zone, claimed_until timestamp with time zone, visit_from timestamp with time zone, visit_until timestamp with time zone, new_customer uuid, customer_subject text, customer_name text, customer_email text, customer_phone text, customer_time_zone text, customer_locale text, customer_channels text[], appointment_id uuid, provider_id uuid, service_id uuid, customer_id uuid, starts_at timestamp with time zone, ends_at timestamp with time zone, visitor_time_zone text, contact_name text, contact_email text, contact_phone text, contact_locale text, contact_channels text[], notes text, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_grace_minutes integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, policy_charges_no_show boolean, booked_at timestamp with time zone, from_origin bytea, tallied integer, actor text, actor_subject text, planned_kinds text[], planned_for timestamp with time zone[], by_guest boolean, planned_origins bytea[], event_ids uuid[], event_types text[], event_subjects uuid[], event_versions integer[], event_providers uuid[], event_customers uuid[], staff_subject text, mutation text, caller text, key text, request_hash bytea) RETURNS text
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET lock_timeout TO '100ms'
    AS $$
#variable_conflict use_column
DECLARE
    of_organization CONSTANT uuid := organization_id;
    wanted bigint;
    is_as_seen boolean;
BEGIN
    FOREACH wanted IN ARRAY alone LOOP
        IF NOT pg_try_advisory_xact_lock(wanted) THEN
            RETURN 'LOCKED';
        END IF;
    END LOOP;
    FOREACH wanted IN ARRAY shared LOOP
        IF NOT pg_try_advisory_xact_lock_shared(wanted) THEN
            RETURN 'LOCKED';
        END IF;
    END LOOP;
    IF seen_customer IS NOT NULL THEN
        -- Until the transaction ends, they are not erased.
        PERFORM FROM customer
        WHERE customer.organization_id = of_organization
            AND customer.id = seen_customer
            AND customer.xmin = seen_customer_version
        FOR KEY SHARE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN 'CHANGED';
        END IF;
    END IF;
    IF seen_customer IS NOT NULL OR from_origin IS NOT NULL THEN
        IF counted_bookings(of_organization, seen_customer, from_origin, open_at, on_day) <> seen_counts THEN
            RETURN 'CHANGED';
        END IF;
    END IF;
    SELECT organization.xmin = seen_organization
        AND taken.rules_version + coalesce((
            SELECT booked.rules_version
            FROM service AS booked
            WHERE booked.organization_id = of_organization AND booked.id = service_id
        ), 0) = seen_rules
        AND NOT EXISTS (
            SELECT
            FROM busy_time
            WHERE busy_time.organization_id = of_organization
                AND busy_time.subject_id = provider_id
                -- As in circumstances_of_booking.
                AND busy_time.busy_from > minute_from - longest_minutes
                AND busy_time.busy_from < minute_until
                AND busy_time.busy_until > minute_from
        )
    INTO is_as_seen
    FROM subject AS taken
    JOIN organization ON organization.id = of_organization
    WHERE taken.organization_id = of_organization AND taken.id = provider_id;
    IF is_as_seen IS NOT TRUE THEN
        RETURN 'CHANGED';
    END IF;

    -- Foreign keys are checked after each statement: what is referred to is written first.
    IF new_customer IS NOT NULL THEN
        INSERT INTO customer (organization_id, id, subject, name, email, phone, time_zone, locale, channels, created_at,
            made_by_staff)
        VALUES (of_organization, new_customer, customer_subject, customer_name, customer_email, customer_phone,
            customer_time_zone, customer_locale, customer_channels, booked_at, false)
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN 'TAKEN';
        END IF;
    END IF;
    INSERT INTO appointment (organization_id, id, provider_id, service_id, customer_id, status, starts_at, ends_at,
        customer_time_zone, contact_name, contact_email, contact_phone, contact_locale, contact_channels, notes,
        version, time_version, price_minor, price_currency, policy_free_until_minutes_before, policy_grace_minutes,
        policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency, policy_late_fee_percent,
        policy_charges_no_show, created_at, guest_origin, seats)
    VALUES (of_organization, appointment_id, provider_id, service_id, customer_id, 'CONFIRMED', starts_at, ends_at,
        visitor_time_zone, contact_name, contact_email, contact_phone, contact_locale, contact_channels, notes,
        1, 1, price_minor, price_currency, policy_free_until_minutes_before, policy_grace_minutes,
        policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency, policy_late_fee_percent,
        policy_charges_no_show, booked_at, from_origin, 1);
    -- 0.1.0 reads claims by their provider.
    INSERT INTO claim (organization_id, id, subject_id, provider_id, unit, appointment_id, during, visit, active)
    VALUES (of_organization, claim_id, provider_id, provider_id, unit, appointment_id,
        tstzrange(claimed_from, claimed_until), tstzrange(visit_from, visit_until), true);
    IF tallied IS NOT NULL THEN
        INSERT INTO network_tally (organization_id, origin, day, what, count)
        VALUES (of_organization, from_origin, on_day, 'BOOKINGS', tallied)
        ON CONFLICT ON CONSTRAINT network_tally_pkey DO UPDATE SET count = network_tally.count + excluded.count;
    END IF;
    INSERT INTO appointment_history (organization_id, appointment_id, version, kind, occurred_at, actor, actor_subject,
        to_status, to_starts_at, is_readdressed)
    VALUES (of_organization, appointment_id, 1, 'BOOKED', booked_at, actor, actor_subject, 'CONFIRMED', starts_at, false);
    INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at, by_guest, origin)
    SELECT provider.organization_id, appointment_id, 1, planned.kind, planned.due_at, by_guest, planned.origin
    FROM provider
    CROSS JOIN unnest(planned_kinds, planned_for, planned_origins) AS planned (kind, due_at, origin)
    WHERE provider.organization_id = of_organization AND provider.id = provider_id;
    INSERT INTO idempotency_key (organization_id, mutation, caller, key, request_hash, appointment_id, created_at)
    VALUES (of_organization, mutation, caller, key, request_hash, appointment_id, booked_at)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'TAKEN' USING ERRCODE = 'SW001';
    END IF;
    -- The first event of an epoch begins it, see begin_epoch, and then is written.
    FOR attempt IN 1 .. 2 LOOP
        INSERT INTO event (organization_id, epoch, transaction_id, id, type, subject_id, version, provider_id, customer_id,
            occurred_at, actor, actor_subject)
        SELECT known.organization_id, known.epoch, pg_current_xact_id()::text::bigint, happened.id, happened.type,
            happened.subject_id, happened.version, happened.provider_id, happened.customer_id, booked_at, actor,
            staff_subject
        FROM event_epoch AS known
        CROSS JOIN unnest(event_ids, event_types, event_subjects, event_versions, event_providers, event_customers)
            AS happened (id, type, subject_id, version, provider_id, customer_id)
        WHERE known.organization_id = of_organization AND known.server_started_at = pg_postmaster_start_time();
        EXIT WHEN FOUND;
        INSERT INTO event_epoch (organization_id, epoch, server_started_at)
        SELECT organization.id, coalesce((
            SELECT epoch
            FROM event_epoch
            WHERE event_epoch.organization_id = of_organization
        ), 0) + 1, pg_postmaster_start_time()
        FROM organization
        WHERE organization.id = of_organization
        ON CONFLICT ON CONSTRAINT event_epoch_pkey
            DO UPDATE SET epoch = excluded.epoch, server_started_at = excluded.server_started_at;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.word_lines(words text[]) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
DECLARE
    known text[] := '{}';
    word text;
    all_words text;
    line text;
    lines text[] := '{}';
BEGIN
    FOREACH word IN ARRAY words LOOP
        IF word <> ALL (known) THEN
            known := known || word;
        END IF;
    END LOOP;
    IF known = '{}' THEN
        RETURN known;
    END IF;
    all_words := ' ' || array_to_string(known, ' ');
    FOREACH word IN ARRAY ''::text || known LOOP
        line := left(word || all_words, 600);
        -- Cut so that a line fits into a cursor. What is cut off is still found by its own row.
        IF octet_length(line) > 600 THEN
            line := left(line, 150);
        END IF;
        IF line <> ALL (lines) THEN
            lines := lines || line;
        END IF;
    END LOOP;
    RETURN lines;
END
$$;

CREATE FUNCTION public.write_at_once(organization_id uuid, statements text[], at_least bigint[], arguments text[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
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

CREATE TABLE public.appointment (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    service_id uuid,
    customer_id uuid NOT NULL,
    status text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    customer_time_zone text NOT NULL,
    contact_name text NOT NULL,
    contact_email text,
    contact_phone text,
    contact_locale text,
    notes text,
    version integer NOT NULL,
    time_version integer NOT NULL,
    price_minor bigint,
    price_currency text,
    policy_free_until_minutes_before integer NOT NULL,
    policy_late_cancellation text NOT NULL,
    policy_late_fee_minor bigint,
    policy_late_fee_currency text,
    policy_late_fee_percent integer,
    created_at timestamp with time zone NOT NULL,
    cancelled_at timestamp with time zone,
    cancellation_reason text,
    cancellation_fee_minor bigint,
    cancellation_fee_currency text,
    contact_channels text[],
    guest_origin bytea,
    provider_ids uuid[],
    named integer,
    resource_ids uuid[],
    session_id uuid,
    seats integer DEFAULT 1 NOT NULL,
    ignored text[],
    policy_grace_minutes integer DEFAULT 0 NOT NULL,
    policy_charges_no_show boolean DEFAULT false NOT NULL,
    staff_notes text,
    manage_generation integer DEFAULT 0 NOT NULL,
    external_id text,
    CONSTRAINT appointment_sound CHECK (public.appointment_is_sound(status, starts_at, ends_at, customer_time_zone, contact_name, contact_email, contact_phone, contact_locale, contact_channels, notes, staff_notes, external_id, guest_origin, version, time_version, manage_generation, price_minor, price_currency, policy_free_until_minutes_before, policy_grace_minutes, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency, policy_late_fee_percent, cancelled_at, cancellation_reason, cancellation_fee_minor, cancellation_fee_currency, provider_id, provider_ids, named, resource_ids, session_id, seats, ignored)),
    CONSTRAINT appointment_status_known CHECK ((status = ANY (ARRAY['CONFIRMED'::text, 'CANCELLED'::text, 'COMPLETED'::text, 'NO_SHOW'::text])))
);

CREATE TABLE public.appointment_history (
    organization_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    actor_subject text,
    from_status text,
    to_status text NOT NULL,
    from_starts_at timestamp with time zone,
    to_starts_at timestamp with time zone NOT NULL,
    reason text,
    from_provider_ids uuid[],
    assignment text,
    from_session_id uuid,
    from_seats integer,
    ignored text[],
    is_readdressed boolean DEFAULT false NOT NULL,
    former_email text,
    former_phone text,
    CONSTRAINT appointment_history_sound CHECK (public.appointment_history_is_sound(version, kind, actor, from_status, to_status, from_starts_at, assignment, ignored, is_readdressed, former_email, former_phone))
);

CREATE TABLE public.appointment_subject (
    organization_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    unit integer NOT NULL,
    "position" integer NOT NULL,
    is_named boolean NOT NULL,
    service_id uuid NOT NULL,
    assigned_at timestamp with time zone NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    CONSTRAINT appointment_subject_position_range CHECK (("position" >= 1)),
    CONSTRAINT appointment_subject_unit_range CHECK ((unit >= 1))
);

CREATE TABLE public.availability_exception (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid,
    date date NOT NULL,
    is_blocked boolean NOT NULL,
    custom_start_minute smallint,
    custom_end_minute smallint,
    reason text,
    subject_id uuid NOT NULL,
    CONSTRAINT availability_exception_block_inside_date CHECK (((NOT is_blocked) OR (custom_end_minute > custom_start_minute))),
    CONSTRAINT availability_exception_custom_has_times CHECK ((is_blocked OR (custom_start_minute IS NOT NULL))),
    CONSTRAINT availability_exception_end_range CHECK (((custom_end_minute >= 0) AND (custom_end_minute <= 1440))),
    CONSTRAINT availability_exception_reason_length CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 500))),
    CONSTRAINT availability_exception_start_range CHECK (((custom_start_minute >= 0) AND (custom_start_minute <= 1439))),
    CONSTRAINT availability_exception_times_whole CHECK (((custom_start_minute IS NULL) = (custom_end_minute IS NULL)))
);

CREATE TABLE public.busy_reading (
    organization_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    source_id uuid NOT NULL,
    from_reading timestamp without time zone NOT NULL,
    until_reading timestamp without time zone NOT NULL,
    CONSTRAINT busy_reading_order CHECK ((from_reading < until_reading)),
    CONSTRAINT busy_reading_supported CHECK (((from_reading >= '1973-01-01 00:00:00'::timestamp without time zone) AND (until_reading <= '3000-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT busy_reading_whole_minutes CHECK (((date_trunc('minute'::text, from_reading) = from_reading) AND (date_trunc('minute'::text, until_reading) = until_reading)))
);

CREATE TABLE public.busy_source (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    name text NOT NULL,
    url text,
    etag text,
    last_modified text,
    last_read_at timestamp with time zone,
    failing_since timestamp with time zone,
    problem text,
    next_read_at timestamp with time zone,
    leased_until timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    expanded_until integer,
    warned_at timestamp with time zone,
    CONSTRAINT busy_source_expanded CHECK (((url IS NOT NULL) OR (num_nonnulls(expanded_until, warned_at) = 0))),
    CONSTRAINT busy_source_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT busy_source_read CHECK ((((url IS NULL) = (next_read_at IS NULL)) AND ((url IS NOT NULL) OR (num_nonnulls(etag, last_modified, last_read_at, failing_since, problem, leased_until) = 0))))
);

CREATE TABLE public.busy_time (
    organization_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    busy_from integer NOT NULL,
    source_id uuid NOT NULL,
    is_floating boolean NOT NULL,
    busy_until integer NOT NULL,
    CONSTRAINT busy_time_length CHECK (((busy_until - busy_from) <= (3 * 1440))),
    CONSTRAINT busy_time_order CHECK ((busy_from < busy_until))
);

CREATE TABLE public.calendar_feed (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid,
    customer_id uuid,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT calendar_feed_of_one CHECK ((num_nonnulls(provider_id, customer_id) = 1))
);

CREATE TABLE public.claim (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid,
    appointment_id uuid,
    during tstzrange NOT NULL,
    visit tstzrange NOT NULL,
    expires_at timestamp with time zone,
    active boolean NOT NULL,
    claimed_from integer GENERATED ALWAYS AS (((EXTRACT(epoch FROM (lower(during) AT TIME ZONE 'UTC'::text)) / (60)::numeric))::integer) STORED NOT NULL,
    claimed_until integer GENERATED ALWAYS AS (((EXTRACT(epoch FROM (upper(during) AT TIME ZONE 'UTC'::text)) / (60)::numeric))::integer) STORED NOT NULL,
    visit_from integer GENERATED ALWAYS AS (((EXTRACT(epoch FROM (lower(visit) AT TIME ZONE 'UTC'::text)) / (60)::numeric))::integer) STORED NOT NULL,
    visit_until integer GENERATED ALWAYS AS (((EXTRACT(epoch FROM (upper(visit) AT TIME ZONE 'UTC'::text)) / (60)::numeric))::integer) STORED NOT NULL,
    hold_id uuid,
    subject_id uuid NOT NULL,
    unit integer DEFAULT 1 NOT NULL,
    session_id uuid,
    CONSTRAINT claim_sound CHECK (public.claim_is_sound(during, visit, unit, appointment_id, hold_id, session_id, expires_at))
);

CREATE TABLE public.customer (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    subject text,
    name text NOT NULL,
    email text,
    phone text,
    time_zone text NOT NULL,
    locale text,
    created_at timestamp with time zone NOT NULL,
    erased_at timestamp with time zone,
    channels text[],
    external_id text,
    made_by_staff boolean DEFAULT false NOT NULL,
    made_by_provider uuid,
    CONSTRAINT customer_sound CHECK (public.customer_is_sound(subject, name, email, phone, time_zone, locale, channels, external_id, made_by_staff, made_by_provider))
);

CREATE TABLE public.customer_word (
    organization_id uuid NOT NULL,
    reader_id uuid NOT NULL,
    line text NOT NULL COLLATE pg_catalog."C",
    customer_id uuid NOT NULL
);

CREATE TABLE public.event (
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    transaction_id bigint NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    subject_id uuid NOT NULL,
    version integer,
    provider_id uuid,
    customer_id uuid,
    occurred_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    actor_subject text,
    CONSTRAINT event_sound CHECK (public.event_is_sound(type, version, actor, actor_subject))
);

CREATE TABLE public.event_epoch (
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    server_started_at timestamp with time zone NOT NULL,
    CONSTRAINT event_epoch_range CHECK ((epoch >= 1))
);

CREATE TABLE public.hold (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    service_id uuid,
    caller text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    provider_ids uuid[],
    named integer,
    resource_ids uuid[],
    session_id uuid,
    seats integer DEFAULT 1 NOT NULL,
    ignored text[],
    CONSTRAINT hold_ignored_any CHECK (((ignored <> '{}'::text[]) AND (ignored <@ '{HOURS,GRID,NOTICE,HORIZON,LIMITS,BUSY_ELSEWHERE}'::text[]))),
    CONSTRAINT hold_of_resources CHECK (((provider_ids IS NULL) = (resource_ids IS NULL))),
    CONSTRAINT hold_of_several CHECK ((((provider_ids IS NULL) AND (named IS NULL)) OR (((provider_ids[1] = provider_id) AND ((named >= 0) AND (named <= cardinality(provider_ids)))) IS TRUE))),
    CONSTRAINT hold_seats_range CHECK (((seats >= 1) AND (seats <=
CASE
    WHEN (session_id IS NULL) THEN 1
    ELSE 1000
END))),
    CONSTRAINT hold_time_order CHECK (((starts_at < ends_at) AND (created_at < expires_at)))
);

CREATE TABLE public.idempotency_key (
    organization_id uuid NOT NULL,
    mutation text NOT NULL,
    caller text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    appointment_id uuid,
    created_at timestamp with time zone NOT NULL,
    hold_id uuid,
    session_id uuid,
    CONSTRAINT idempotency_key_hash_length CHECK ((octet_length(request_hash) = 32)),
    CONSTRAINT idempotency_key_key_length CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255))),
    CONSTRAINT idempotency_key_of_one CHECK ((num_nonnulls(appointment_id, hold_id, session_id) = 1))
);

CREATE TABLE public.location (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    address text,
    phone text,
    email text,
    url text,
    directions text,
    time_zone text,
    is_archived boolean DEFAULT false NOT NULL,
    external_id text,
    created_at timestamp with time zone NOT NULL,
    name_sort text GENERATED ALWAYS AS (public.name_sort_key(name)) STORED NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT location_address_length CHECK (((char_length(address) >= 1) AND (char_length(address) <= 500))),
    CONSTRAINT location_directions_length CHECK (((char_length(directions) >= 1) AND (char_length(directions) <= 1000))),
    CONSTRAINT location_email_length CHECK (((char_length(email) >= 3) AND (char_length(email) <= 254))),
    CONSTRAINT location_external_id_length CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 255))),
    CONSTRAINT location_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT location_phone_form CHECK ((phone ~ '^\+[0-9]{3,15}$'::text)),
    CONSTRAINT location_time_zone_length CHECK (((char_length(time_zone) >= 1) AND (char_length(time_zone) <= 64))),
    CONSTRAINT location_url_form CHECK (((char_length(url) <= 500) AND (url ~ '^[Hh][Tt][Tt][Pp][Ss]?://'::text)))
);

CREATE TABLE public.message_opt_out (
    organization_id uuid NOT NULL,
    channel text NOT NULL,
    address_digest bytea NOT NULL,
    opted_out_at timestamp with time zone NOT NULL,
    domain_in_ascii boolean DEFAULT false NOT NULL,
    CONSTRAINT message_opt_out_channel_known CHECK ((channel = ANY (ARRAY['EMAIL'::text, 'SMS'::text]))),
    CONSTRAINT message_opt_out_digest_length CHECK ((octet_length(address_digest) = 32))
);

CREATE TABLE public.message_outbox (
    organization_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    time_version integer NOT NULL,
    kind text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    by_guest boolean DEFAULT false NOT NULL,
    origin bytea,
    CONSTRAINT message_outbox_kind_known CHECK (((kind = ANY (ARRAY['BOOKED'::text, 'RESCHEDULED'::text, 'CANCELLED'::text, 'DAY_BEFORE'::text, 'HOUR_BEFORE'::text, 'CORRECTED'::text, 'READDRESSED'::text])) OR (kind ~ '^BEFORE_[1-9][0-9]{0,4}$'::text))),
    CONSTRAINT message_outbox_origin_length CHECK ((octet_length(origin) = 16))
);

CREATE TABLE public.message_template (
    organization_id uuid NOT NULL,
    kind text NOT NULL,
    recipient text NOT NULL,
    language text NOT NULL,
    subject text,
    body_text text,
    body_html text,
    sms text,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT message_template_kind_known CHECK ((kind = ANY (ARRAY['BOOKED'::text, 'RESCHEDULED'::text, 'CANCELLED'::text, 'DAY_BEFORE'::text, 'HOUR_BEFORE'::text, 'CORRECTED'::text, 'READDRESSED'::text, 'BEFORE'::text]))),
    CONSTRAINT message_template_language_known CHECK ((language = ANY (ARRAY['en'::text, 'de'::text, 'fr'::text, 'es'::text]))),
    CONSTRAINT message_template_length CHECK (((char_length(subject) <= 65536) AND (char_length(body_text) <= 65536) AND (char_length(body_html) <= 65536) AND (char_length(sms) <= 65536))),
    CONSTRAINT message_template_recipient_known CHECK ((recipient = ANY (ARRAY['CUSTOMER'::text, 'PROVIDER'::text]))),
    CONSTRAINT message_template_says_something CHECK ((num_nonnulls(subject, body_text, body_html, sms) > 0))
);

CREATE TABLE public.network_tally (
    organization_id uuid NOT NULL,
    origin bytea NOT NULL,
    day date NOT NULL,
    what text NOT NULL,
    count integer NOT NULL,
    CONSTRAINT network_tally_count_range CHECK ((count > 0)),
    CONSTRAINT network_tally_origin_length CHECK ((octet_length(origin) = 16)),
    CONSTRAINT network_tally_what_known CHECK ((what = ANY (ARRAY['BOOKINGS'::text, 'MESSAGES'::text])))
);

CREATE TABLE public.organization (
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    sms_to_unverified_numbers boolean DEFAULT false NOT NULL,
    allows_customer_overlap boolean DEFAULT true NOT NULL,
    phone text,
    email text,
    url text,
    reminder_minutes_before integer[] DEFAULT '{1440,60}'::integer[] NOT NULL,
    locale text,
    CONSTRAINT organization_email_length CHECK (((char_length(email) >= 3) AND (char_length(email) <= 254))),
    CONSTRAINT organization_locale_length CHECK (((char_length(locale) >= 2) AND (char_length(locale) <= 35))),
    CONSTRAINT organization_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT organization_phone_form CHECK ((phone ~ '^\+[0-9]{3,15}$'::text)),
    CONSTRAINT organization_reminders_range CHECK (((cardinality(reminder_minutes_before) <= 5) AND (5 <= ALL (reminder_minutes_before)) AND (43200 >= ALL (reminder_minutes_before)))),
    CONSTRAINT organization_slug_form CHECK ((slug ~ '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT organization_url_form CHECK (((char_length(url) <= 500) AND (url ~ '^[Hh][Tt][Tt][Pp][Ss]?://'::text)))
);

CREATE TABLE public.program_clock (
    is_only boolean NOT NULL,
    ahead interval NOT NULL,
    CONSTRAINT program_clock_one_row CHECK (is_only)
);

CREATE TABLE public.provider (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    email text,
    phone text,
    time_zone text NOT NULL,
    service_duration_minutes integer NOT NULL,
    buffer_minutes integer DEFAULT 0 NOT NULL,
    slot_interval_minutes integer,
    min_notice_minutes integer DEFAULT 0 NOT NULL,
    max_advance_booking_days integer DEFAULT 60 NOT NULL,
    policy_free_until_minutes_before integer DEFAULT 0 NOT NULL,
    policy_late_cancellation text DEFAULT 'ALLOWED'::text NOT NULL,
    policy_late_fee_minor bigint,
    policy_late_fee_currency text,
    created_at timestamp with time zone NOT NULL,
    channels text[],
    locale text,
    name_sort text GENERATED ALWAYS AS (public.name_sort_key(name)) STORED NOT NULL COLLATE pg_catalog."C",
    limits integer[],
    policy_grace_minutes integer DEFAULT 0 NOT NULL,
    policy_charges_no_show boolean DEFAULT false NOT NULL,
    description text,
    location_id uuid,
    is_archived boolean DEFAULT false NOT NULL,
    external_id text,
    CONSTRAINT provider_buffer_range CHECK (((buffer_minutes >= 0) AND (buffer_minutes <= 1440))),
    CONSTRAINT provider_channels_known CHECK ((channels <@ ARRAY['EMAIL'::text, 'SMS'::text])),
    CONSTRAINT provider_description_length CHECK (((char_length(description) >= 1) AND (char_length(description) <= 2000))),
    CONSTRAINT provider_email_length CHECK (((char_length(email) >= 3) AND (char_length(email) <= 254))),
    CONSTRAINT provider_external_id_length CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 255))),
    CONSTRAINT provider_limits_range CHECK (((1 <= ALL (limits)) AND (10000 >= ALL (limits[1:3])) AND (44640 >= ALL (limits[4:6])))),
    CONSTRAINT provider_limits_six CHECK ((cardinality(limits) = 6)),
    CONSTRAINT provider_locale_length CHECK (((char_length(locale) >= 2) AND (char_length(locale) <= 35))),
    CONSTRAINT provider_max_advance_booking_range CHECK (((max_advance_booking_days >= 0) AND (max_advance_booking_days <= 1100))),
    CONSTRAINT provider_min_notice_range CHECK (((min_notice_minutes >= 0) AND (min_notice_minutes <= 1584000))),
    CONSTRAINT provider_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT provider_phone_form CHECK ((phone ~ '^\+[0-9]{3,15}$'::text)),
    CONSTRAINT provider_policy_fee_computable CHECK ((((policy_late_cancellation = 'FEE'::text) = (policy_late_fee_minor IS NOT NULL)) AND ((policy_late_fee_minor IS NULL) = (policy_late_fee_currency IS NULL)))),
    CONSTRAINT provider_policy_free_until_range CHECK (((policy_free_until_minutes_before >= 0) AND (policy_free_until_minutes_before <= 1584000))),
    CONSTRAINT provider_policy_grace_range CHECK (((policy_grace_minutes >= 0) AND (policy_grace_minutes <= 1584000))),
    CONSTRAINT provider_policy_late_cancellation_known CHECK ((policy_late_cancellation = ANY (ARRAY['ALLOWED'::text, 'FEE'::text, 'REFUSED'::text]))),
    CONSTRAINT provider_policy_late_fee_currency_form CHECK ((policy_late_fee_currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT provider_policy_late_fee_range CHECK (((policy_late_fee_minor >= 0) AND (policy_late_fee_minor <= 2147483647))),
    CONSTRAINT provider_service_duration_range CHECK (((service_duration_minutes >= 1) AND (service_duration_minutes <= 1440))),
    CONSTRAINT provider_slot_interval_range CHECK (((slot_interval_minutes >= 1) AND (slot_interval_minutes <= 1440))),
    CONSTRAINT provider_subject_length CHECK (((char_length(subject) >= 1) AND (char_length(subject) <= 255))),
    CONSTRAINT provider_time_zone_length CHECK (((char_length(time_zone) >= 1) AND (char_length(time_zone) <= 64)))
);

CREATE TABLE public.reminder_log (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    time_version integer NOT NULL,
    kind text NOT NULL,
    recipient text,
    channel text NOT NULL,
    status text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    detail text,
    is_resend boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    provider_message_id text,
    wire_text text,
    wire_since timestamp with time zone,
    destination bytea,
    provider_id uuid,
    session_id uuid,
    CONSTRAINT reminder_log_channel_known CHECK ((channel = ANY (ARRAY['EMAIL'::text, 'SMS'::text]))),
    CONSTRAINT reminder_log_destination_length CHECK ((octet_length(destination) = 16)),
    CONSTRAINT reminder_log_detail_length CHECK (((char_length(detail) >= 1) AND (char_length(detail) <= 500))),
    CONSTRAINT reminder_log_for_somebody CHECK (((recipient IS NOT NULL) OR (provider_id IS NOT NULL))),
    CONSTRAINT reminder_log_kind_known CHECK (((kind = ANY (ARRAY['BOOKED'::text, 'RESCHEDULED'::text, 'CANCELLED'::text, 'DAY_BEFORE'::text, 'HOUR_BEFORE'::text, 'CORRECTED'::text, 'READDRESSED'::text])) OR (kind ~ '^BEFORE(_[1-9][0-9]{0,4})?$'::text))),
    CONSTRAINT reminder_log_leased CHECK (((status = 'PENDING'::text) = (lease_until IS NOT NULL))),
    CONSTRAINT reminder_log_of_session_for_provider CHECK (((session_id IS NULL) OR ((recipient IS NULL) AND (provider_id IS NOT NULL)))),
    CONSTRAINT reminder_log_provider_message_id_length CHECK (((char_length(provider_message_id) >= 1) AND (char_length(provider_message_id) <= 200))),
    CONSTRAINT reminder_log_provider_of_side CHECK (((provider_id IS NULL) OR (recipient IS DISTINCT FROM 'CUSTOMER'::text))),
    CONSTRAINT reminder_log_recipient_known CHECK ((recipient = ANY (ARRAY['CUSTOMER'::text, 'PROVIDER'::text]))),
    CONSTRAINT reminder_log_sent_when CHECK (((status = 'SENT'::text) = (sent_at IS NOT NULL))),
    CONSTRAINT reminder_log_status_known CHECK ((status = ANY (ARRAY['PENDING'::text, 'SENT'::text, 'FAILED'::text, 'SKIPPED'::text]))),
    CONSTRAINT reminder_log_wire_whole CHECK ((((wire_text IS NULL) OR (wire_since IS NOT NULL)) AND ((wire_since IS NULL) OR (status = 'PENDING'::text))))
);

CREATE TABLE public.resource (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    time_zone text NOT NULL,
    units integer NOT NULL,
    is_always_open boolean NOT NULL,
    is_archived boolean DEFAULT false NOT NULL,
    external_id text,
    created_at timestamp with time zone NOT NULL,
    name_sort text GENERATED ALWAYS AS (public.name_sort_key(name)) STORED NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT resource_external_id_length CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 255))),
    CONSTRAINT resource_kind_length CHECK (((char_length(kind) >= 1) AND (char_length(kind) <= 100))),
    CONSTRAINT resource_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT resource_time_zone_length CHECK (((char_length(time_zone) >= 1) AND (char_length(time_zone) <= 64))),
    CONSTRAINT resource_units_range CHECK (((units >= 1) AND (units <= 1000)))
);

CREATE TABLE public.revoked_token (
    organization_id uuid NOT NULL,
    token_id text NOT NULL,
    revoked_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT revoked_token_id_length CHECK (((char_length(token_id) >= 1) AND (char_length(token_id) <= 255)))
);

CREATE TABLE public.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.seat (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    number integer NOT NULL,
    appointment_id uuid,
    hold_id uuid,
    expires_at timestamp with time zone,
    active boolean NOT NULL,
    CONSTRAINT seat_number_range CHECK (((number >= 1) AND (number <= 1000))),
    CONSTRAINT seat_of_hold_expires CHECK (((hold_id IS NULL) = (expires_at IS NULL))),
    CONSTRAINT seat_of_one CHECK ((num_nonnulls(appointment_id, hold_id) = 1))
);

CREATE TABLE public.service (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    duration_minutes integer NOT NULL,
    buffer_before_minutes integer DEFAULT 0 NOT NULL,
    buffer_after_minutes integer,
    slot_interval_minutes integer,
    min_notice_minutes integer,
    max_advance_booking_days integer,
    price_minor bigint,
    price_currency text,
    policy_free_until_minutes_before integer,
    policy_late_cancellation text,
    policy_late_fee_minor bigint,
    policy_late_fee_currency text,
    policy_late_fee_percent integer,
    created_at timestamp with time zone NOT NULL,
    name_sort text GENERATED ALWAYS AS (public.name_sort_key(name)) STORED NOT NULL COLLATE pg_catalog."C",
    providers_needed integer DEFAULT 1,
    assignment text DEFAULT 'PRIORITY'::text NOT NULL,
    seats integer DEFAULT 1 NOT NULL,
    limits integer[],
    max_open_per_customer integer,
    policy_grace_minutes integer DEFAULT 0 NOT NULL,
    policy_charges_no_show boolean DEFAULT false NOT NULL,
    description text,
    location_id uuid,
    is_archived boolean DEFAULT false NOT NULL,
    external_id text,
    rules_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT service_assignment_known CHECK ((assignment = ANY (ARRAY['PRIORITY'::text, 'LEAST_BUSY'::text, 'LONGEST_IDLE'::text]))),
    CONSTRAINT service_buffer_after_range CHECK (((buffer_after_minutes >= 0) AND (buffer_after_minutes <= 1440))),
    CONSTRAINT service_buffer_before_range CHECK (((buffer_before_minutes >= 0) AND (buffer_before_minutes <= 1440))),
    CONSTRAINT service_description_length CHECK (((char_length(description) >= 1) AND (char_length(description) <= 2000))),
    CONSTRAINT service_duration_range CHECK (((duration_minutes >= 1) AND (duration_minutes <= 1440))),
    CONSTRAINT service_external_id_length CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 255))),
    CONSTRAINT service_limits_range CHECK (((1 <= ALL (limits)) AND (10000 >= ALL (limits[1:3])) AND (44640 >= ALL (limits[4:6])))),
    CONSTRAINT service_limits_six CHECK ((cardinality(limits) = 6)),
    CONSTRAINT service_max_advance_booking_range CHECK (((max_advance_booking_days >= 0) AND (max_advance_booking_days <= 1100))),
    CONSTRAINT service_max_open_per_customer_range CHECK (((max_open_per_customer >= 1) AND (max_open_per_customer <= 10000))),
    CONSTRAINT service_min_notice_range CHECK (((min_notice_minutes >= 0) AND (min_notice_minutes <= 1584000))),
    CONSTRAINT service_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT service_policy_fee_computable CHECK (((num_nonnulls(policy_late_fee_minor, policy_late_fee_percent) =
CASE
    WHEN (policy_late_cancellation = 'FEE'::text) THEN 1
    ELSE 0
END) AND ((policy_late_fee_minor IS NULL) = (policy_late_fee_currency IS NULL)) AND ((policy_late_fee_percent IS NULL) OR (price_minor IS NOT NULL)))),
    CONSTRAINT service_policy_free_until_range CHECK (((policy_free_until_minutes_before >= 0) AND (policy_free_until_minutes_before <= 1584000))),
    CONSTRAINT service_policy_grace_range CHECK (((policy_grace_minutes >= 0) AND (policy_grace_minutes <= 1584000))),
    CONSTRAINT service_policy_late_cancellation_known CHECK ((policy_late_cancellation = ANY (ARRAY['ALLOWED'::text, 'FEE'::text, 'REFUSED'::text]))),
    CONSTRAINT service_policy_late_fee_currency_form CHECK ((policy_late_fee_currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT service_policy_late_fee_percent_range CHECK (((policy_late_fee_percent >= 1) AND (policy_late_fee_percent <= 100))),
    CONSTRAINT service_policy_late_fee_range CHECK (((policy_late_fee_minor >= 0) AND (policy_late_fee_minor <= 2147483647))),
    CONSTRAINT service_policy_whole CHECK (((policy_free_until_minutes_before IS NULL) = (policy_late_cancellation IS NULL))),
    CONSTRAINT service_price_currency_form CHECK ((price_currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT service_price_range CHECK (((price_minor >= 0) AND (price_minor <= 2147483647))),
    CONSTRAINT service_price_whole CHECK (((price_minor IS NULL) = (price_currency IS NULL))),
    CONSTRAINT service_providers_needed_range CHECK (((providers_needed >= 1) AND (providers_needed <= 1000))),
    CONSTRAINT service_seats_range CHECK (((seats >= 1) AND (seats <= 1000))),
    CONSTRAINT service_slot_interval_range CHECK (((slot_interval_minutes >= 1) AND (slot_interval_minutes <= 1440)))
);

CREATE TABLE public.service_need (
    organization_id uuid NOT NULL,
    service_id uuid NOT NULL,
    "position" integer NOT NULL,
    name text NOT NULL,
    count integer NOT NULL,
    CONSTRAINT service_need_count_range CHECK (((count >= 1) AND (count <= 1000))),
    CONSTRAINT service_need_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT service_need_position_range CHECK (("position" >= 1))
);

CREATE TABLE public.service_need_resource (
    organization_id uuid NOT NULL,
    service_id uuid NOT NULL,
    need_position integer NOT NULL,
    "position" integer NOT NULL,
    resource_id uuid NOT NULL,
    CONSTRAINT service_need_resource_position_range CHECK (("position" >= 1))
);

CREATE TABLE public.service_provider (
    organization_id uuid NOT NULL,
    service_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    "position" integer DEFAULT 0 NOT NULL
);

CREATE TABLE public.session (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    service_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    provider_ids uuid[],
    resource_ids uuid[],
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    is_cancelled boolean DEFAULT false NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    time_version integer DEFAULT 1 NOT NULL,
    CONSTRAINT session_cancelled_has_ended CHECK (((NOT is_cancelled) OR (ended_at IS NOT NULL))),
    CONSTRAINT session_of_several CHECK ((((provider_ids IS NULL) AND (resource_ids IS NULL)) OR (((provider_ids[1] = provider_id) AND (resource_ids IS NOT NULL)) IS TRUE))),
    CONSTRAINT session_time_order CHECK ((starts_at < ends_at)),
    CONSTRAINT session_time_version_range CHECK (((time_version >= 1) AND (time_version <= version))),
    CONSTRAINT session_version_range CHECK ((version >= 1))
);

CREATE TABLE public.subject (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    rules_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT subject_kind_known CHECK ((kind = ANY (ARRAY['PROVIDER'::text, 'RESOURCE'::text])))
);

CREATE TABLE public.time_off (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    from_reading timestamp without time zone NOT NULL,
    until_reading timestamp without time zone NOT NULL,
    reason text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT time_off_order CHECK ((from_reading < until_reading)),
    CONSTRAINT time_off_reason_length CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 500))),
    CONSTRAINT time_off_supported CHECK (((from_reading >= '1973-01-01 00:00:00'::timestamp without time zone) AND (until_reading <= '3000-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT time_off_whole_minutes CHECK (((date_trunc('minute'::text, from_reading) = from_reading) AND (date_trunc('minute'::text, until_reading) = until_reading)))
);

CREATE TABLE public.verified_phone (
    organization_id uuid NOT NULL,
    phone text NOT NULL,
    verified_at timestamp with time zone NOT NULL,
    CONSTRAINT verified_phone_form CHECK ((phone ~ '^\+[0-9]{3,15}$'::text))
);

CREATE TABLE public.webhook (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    url text NOT NULL,
    types text[],
    is_active boolean DEFAULT true NOT NULL,
    disabled_reason text,
    secret text NOT NULL,
    previous_secret text,
    previous_secret_until timestamp with time zone,
    epoch integer NOT NULL,
    transaction_id bigint NOT NULL,
    event_id uuid NOT NULL,
    lease bigint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    failure_counted_at timestamp with time zone,
    rests_until timestamp with time zone,
    notice_due_at timestamp with time zone,
    notice_attempts integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT webhook_disabled_is_off CHECK (((disabled_reason IS NULL) OR (NOT is_active))),
    CONSTRAINT webhook_disabled_known CHECK ((disabled_reason = ANY (ARRAY['GONE'::text, 'FAILING'::text]))),
    CONSTRAINT webhook_previous_secret_ends CHECK (((previous_secret IS NULL) = (previous_secret_until IS NULL))),
    CONSTRAINT webhook_types_some CHECK ((cardinality(types) >= 1)),
    CONSTRAINT webhook_url_form CHECK (((char_length(url) <= 2000) AND (url ~ '^[Hh][Tt][Tt][Pp][Ss]?://'::text)))
);

CREATE TABLE public.webhook_delivery (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    event_id uuid NOT NULL,
    epoch integer NOT NULL,
    transaction_id bigint NOT NULL,
    subject_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    status text DEFAULT 'PENDING'::text NOT NULL,
    by_hand boolean NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    first_attempt_at timestamp with time zone,
    last_attempt_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    response_status integer,
    problem text,
    CONSTRAINT webhook_delivery_pending_is_due CHECK (((status = 'PENDING'::text) = (next_attempt_at IS NOT NULL))),
    CONSTRAINT webhook_delivery_problem_length CHECK ((char_length(problem) <= 500)),
    CONSTRAINT webhook_delivery_status_known CHECK ((status = ANY (ARRAY['PENDING'::text, 'DELIVERED'::text, 'FAILED'::text])))
);

CREATE TABLE public.weekly_break (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid,
    weekday smallint NOT NULL,
    start_minute smallint NOT NULL,
    end_minute smallint NOT NULL,
    effective_from date,
    effective_until date,
    subject_id uuid NOT NULL,
    CONSTRAINT weekly_break_effective_order CHECK ((effective_from <= effective_until)),
    CONSTRAINT weekly_break_end_range CHECK (((end_minute >= 0) AND (end_minute <= 1440))),
    CONSTRAINT weekly_break_start_range CHECK (((start_minute >= 0) AND (start_minute <= 1439))),
    CONSTRAINT weekly_break_weekday_range CHECK (((weekday >= 0) AND (weekday <= 6)))
);

CREATE TABLE public.weekly_hours (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_id uuid,
    weekday smallint NOT NULL,
    start_minute smallint NOT NULL,
    end_minute smallint NOT NULL,
    effective_from date,
    effective_until date,
    subject_id uuid NOT NULL,
    CONSTRAINT weekly_hours_effective_order CHECK ((effective_from <= effective_until)),
    CONSTRAINT weekly_hours_end_range CHECK (((end_minute >= 0) AND (end_minute <= 1440))),
    CONSTRAINT weekly_hours_start_range CHECK (((start_minute >= 0) AND (start_minute <= 1439))),
    CONSTRAINT weekly_hours_weekday_range CHECK (((weekday >= 0) AND (weekday <= 6)))
);

ALTER TABLE ONLY public.appointment_history
    ADD CONSTRAINT appointment_history_pkey PRIMARY KEY (organization_id, appointment_id, version);

ALTER TABLE ONLY public.appointment
    ADD CONSTRAINT appointment_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.appointment_subject
    ADD CONSTRAINT appointment_subject_pkey PRIMARY KEY (organization_id, appointment_id, subject_id, unit);

ALTER TABLE ONLY public.availability_exception
    ADD CONSTRAINT availability_exception_one_kind EXCLUDE USING gist (organization_id WITH =, subject_id WITH =, date WITH =, (
CASE
    WHEN (NOT is_blocked) THEN 0
    WHEN (custom_start_minute IS NULL) THEN 1
    ELSE 2
END) WITH <>) WHERE ((subject_id IS NOT NULL));

ALTER TABLE ONLY public.availability_exception
    ADD CONSTRAINT availability_exception_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.availability_exception
    ADD CONSTRAINT availability_exception_ranges_differ UNIQUE NULLS NOT DISTINCT (organization_id, subject_id, date, custom_start_minute);

ALTER TABLE ONLY public.busy_reading
    ADD CONSTRAINT busy_reading_pkey PRIMARY KEY (organization_id, subject_id, source_id, from_reading);

ALTER TABLE ONLY public.busy_source
    ADD CONSTRAINT busy_source_name_key UNIQUE (organization_id, subject_id, name);

ALTER TABLE ONLY public.busy_source
    ADD CONSTRAINT busy_source_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.busy_source
    ADD CONSTRAINT busy_source_subject_key UNIQUE (organization_id, subject_id, id);

ALTER TABLE ONLY public.busy_time
    ADD CONSTRAINT busy_time_pkey PRIMARY KEY (organization_id, subject_id, busy_from, source_id, is_floating) INCLUDE (busy_until);

ALTER TABLE ONLY public.calendar_feed
    ADD CONSTRAINT calendar_feed_of_customer UNIQUE (organization_id, customer_id);

ALTER TABLE ONLY public.calendar_feed
    ADD CONSTRAINT calendar_feed_of_provider UNIQUE (organization_id, provider_id);

ALTER TABLE ONLY public.calendar_feed
    ADD CONSTRAINT calendar_feed_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_no_overlap EXCLUDE USING gist (organization_id WITH =, subject_id WITH =, unit WITH =, during WITH &&) WHERE ((active AND (subject_id IS NOT NULL)));

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.customer
    ADD CONSTRAINT customer_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.customer
    ADD CONSTRAINT customer_subject_key UNIQUE (organization_id, subject);

ALTER TABLE ONLY public.customer_word
    ADD CONSTRAINT customer_word_pkey PRIMARY KEY (organization_id, reader_id, line, customer_id);

ALTER TABLE ONLY public.event_epoch
    ADD CONSTRAINT event_epoch_pkey PRIMARY KEY (organization_id);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.hold
    ADD CONSTRAINT hold_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (organization_id, mutation, caller, key);

ALTER TABLE ONLY public.location
    ADD CONSTRAINT location_external_id_key UNIQUE (organization_id, external_id);

ALTER TABLE ONLY public.location
    ADD CONSTRAINT location_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.message_opt_out
    ADD CONSTRAINT message_opt_out_pkey PRIMARY KEY (organization_id, channel, address_digest);

ALTER TABLE ONLY public.message_outbox
    ADD CONSTRAINT message_outbox_pkey PRIMARY KEY (organization_id, appointment_id, time_version, kind);

ALTER TABLE ONLY public.message_template
    ADD CONSTRAINT message_template_pkey PRIMARY KEY (organization_id, kind, recipient, language);

ALTER TABLE ONLY public.network_tally
    ADD CONSTRAINT network_tally_pkey PRIMARY KEY (organization_id, origin, day, what);

ALTER TABLE ONLY public.organization
    ADD CONSTRAINT organization_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.organization
    ADD CONSTRAINT organization_slug_key UNIQUE (slug);

ALTER TABLE ONLY public.program_clock
    ADD CONSTRAINT program_clock_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY public.provider
    ADD CONSTRAINT provider_external_id_key UNIQUE (organization_id, external_id);

ALTER TABLE ONLY public.provider
    ADD CONSTRAINT provider_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.provider
    ADD CONSTRAINT provider_subject_key UNIQUE (organization_id, subject);

ALTER TABLE ONLY public.reminder_log
    ADD CONSTRAINT reminder_log_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.resource
    ADD CONSTRAINT resource_external_id_key UNIQUE (organization_id, external_id);

ALTER TABLE ONLY public.resource
    ADD CONSTRAINT resource_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.revoked_token
    ADD CONSTRAINT revoked_token_pkey PRIMARY KEY (organization_id, token_id);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.seat
    ADD CONSTRAINT seat_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.service
    ADD CONSTRAINT service_external_id_key UNIQUE (organization_id, external_id);

ALTER TABLE ONLY public.service_need
    ADD CONSTRAINT service_need_pkey PRIMARY KEY (organization_id, service_id, "position");

ALTER TABLE ONLY public.service_need_resource
    ADD CONSTRAINT service_need_resource_in_one_need UNIQUE (organization_id, service_id, resource_id);

ALTER TABLE ONLY public.service_need_resource
    ADD CONSTRAINT service_need_resource_pkey PRIMARY KEY (organization_id, service_id, need_position, "position");

ALTER TABLE ONLY public.service
    ADD CONSTRAINT service_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.service_provider
    ADD CONSTRAINT service_provider_pkey PRIMARY KEY (organization_id, service_id, provider_id);

ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.subject
    ADD CONSTRAINT subject_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.time_off
    ADD CONSTRAINT time_off_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.verified_phone
    ADD CONSTRAINT verified_phone_pkey PRIMARY KEY (organization_id, phone);

ALTER TABLE ONLY public.webhook_delivery
    ADD CONSTRAINT webhook_delivery_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.webhook
    ADD CONSTRAINT webhook_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.weekly_break
    ADD CONSTRAINT weekly_break_pkey PRIMARY KEY (organization_id, id);

ALTER TABLE ONLY public.weekly_hours
    ADD CONSTRAINT weekly_hours_pkey PRIMARY KEY (organization_id, id);

CREATE INDEX appointment_by_creation ON public.appointment USING btree (organization_id, created_at, id);

CREATE INDEX appointment_by_customer ON public.appointment USING btree (organization_id, customer_id, starts_at, id);

CREATE INDEX appointment_by_guest_origin ON public.appointment USING btree (organization_id, guest_origin, ends_at) WHERE ((status = 'CONFIRMED'::text) AND (guest_origin IS NOT NULL));

CREATE INDEX appointment_by_session ON public.appointment USING btree (organization_id, session_id, starts_at, id) WHERE (session_id IS NOT NULL);

CREATE UNIQUE INDEX appointment_external_id_key ON public.appointment USING btree (organization_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX appointment_history_by_time ON public.appointment_history USING btree (organization_id, occurred_at, appointment_id, version);

CREATE INDEX appointment_listed_by_provider ON public.appointment USING btree (organization_id, provider_id, starts_at, id) INCLUDE (created_at);

CREATE INDEX appointment_listed_by_service ON public.appointment USING btree (organization_id, service_id, starts_at, id) INCLUDE (created_at) WHERE (service_id IS NOT NULL);

CREATE INDEX appointment_listed_by_start ON public.appointment USING btree (organization_id, starts_at, id) INCLUDE (customer_id);

CREATE INDEX appointment_subject_assigned ON public.appointment_subject USING btree (organization_id, service_id, subject_id, assigned_at) WHERE (NOT is_named);

CREATE INDEX appointment_subject_by_start ON public.appointment_subject USING btree (organization_id, subject_id, starts_at, appointment_id) WHERE ("position" > 1);

CREATE INDEX appointment_to_complete ON public.appointment USING btree (ends_at) WHERE (status = 'CONFIRMED'::text);

CREATE INDEX busy_reading_by_end ON public.busy_reading USING btree (until_reading);

CREATE INDEX busy_source_by_next_read ON public.busy_source USING btree (next_read_at) WHERE (url IS NOT NULL);

CREATE INDEX busy_time_by_end ON public.busy_time USING btree (busy_until);

CREATE INDEX claim_busy ON public.claim USING btree (organization_id, provider_id, claimed_from) INCLUDE (claimed_until, visit_from, visit_until, appointment_id, expires_at) WHERE active;

CREATE INDEX claim_by_appointment ON public.claim USING btree (organization_id, appointment_id) WHERE (active AND (appointment_id IS NOT NULL));

CREATE INDEX claim_by_hold ON public.claim USING btree (organization_id, hold_id) WHERE (hold_id IS NOT NULL);

CREATE INDEX claim_by_session ON public.claim USING btree (organization_id, session_id) WHERE (session_id IS NOT NULL);

CREATE INDEX claim_given_back ON public.claim USING btree (claimed_until) WHERE (NOT active);

CREATE INDEX claim_taken ON public.claim USING btree (organization_id, subject_id, claimed_from) INCLUDE (claimed_until, visit_from, visit_until, appointment_id, expires_at, unit) WHERE active;

CREATE UNIQUE INDEX customer_by_guest_email ON public.customer USING btree (organization_id, lower(email)) WHERE ((subject IS NULL) AND (NOT made_by_staff));

CREATE UNIQUE INDEX customer_by_guest_phone ON public.customer USING btree (organization_id, phone) WHERE ((subject IS NULL) AND (email IS NULL) AND (NOT made_by_staff));

CREATE INDEX customer_by_maker ON public.customer USING btree (organization_id, made_by_provider, id) WHERE (made_by_provider IS NOT NULL);

CREATE INDEX customer_erased ON public.customer USING btree (erased_at) WHERE (erased_at IS NOT NULL);

CREATE UNIQUE INDEX customer_external_id_key ON public.customer USING btree (organization_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX customer_word_by_customer ON public.customer_word USING btree (organization_id, customer_id);

CREATE INDEX event_by_age ON public.event USING btree (occurred_at);

CREATE UNIQUE INDEX event_in_order ON public.event USING btree (organization_id, epoch, transaction_id, id);

CREATE INDEX hold_by_caller ON public.hold USING btree (organization_id, caller, expires_at) WHERE (ended_at IS NULL);

CREATE INDEX hold_by_expiry ON public.hold USING btree (expires_at);

CREATE INDEX hold_by_session ON public.hold USING btree (organization_id, session_id) WHERE (session_id IS NOT NULL);

CREATE INDEX hold_to_end ON public.hold USING btree (expires_at) WHERE (ended_at IS NULL);

CREATE INDEX idempotency_key_by_age ON public.idempotency_key USING btree (created_at);

CREATE INDEX idempotency_key_by_hold ON public.idempotency_key USING btree (organization_id, hold_id) WHERE (hold_id IS NOT NULL);

CREATE INDEX message_outbox_due ON public.message_outbox USING btree (due_at);

CREATE INDEX message_outbox_news ON public.message_outbox USING btree (due_at) WHERE (kind !~~ '%BEFORE%'::text);

CREATE INDEX network_tally_by_day ON public.network_tally USING btree (day);

CREATE INDEX provider_by_name ON public.provider USING btree (organization_id, name_sort, id);

CREATE INDEX reminder_log_by_age ON public.reminder_log USING btree (created_at);

CREATE INDEX reminder_log_by_appointment ON public.reminder_log USING btree (organization_id, appointment_id, due_at, id);

CREATE INDEX reminder_log_by_destination ON public.reminder_log USING btree (organization_id, destination, created_at) WHERE ((destination IS NOT NULL) AND (status <> 'SKIPPED'::text));

CREATE INDEX reminder_log_news_waiting ON public.reminder_log USING btree (lease_until) WHERE ((status = 'PENDING'::text) AND (kind !~~ '%BEFORE%'::text));

CREATE UNIQUE INDEX reminder_log_once ON public.reminder_log USING btree (organization_id, appointment_id, time_version, kind, recipient, channel) WHERE (NOT is_resend);

CREATE UNIQUE INDEX reminder_log_once_for_session ON public.reminder_log USING btree (organization_id, session_id, time_version, kind, provider_id, channel) WHERE ((NOT is_resend) AND (session_id IS NOT NULL));

CREATE UNIQUE INDEX reminder_log_once_of_appointment_for_provider ON public.reminder_log USING btree (organization_id, appointment_id, time_version, kind, provider_id, channel) WHERE ((NOT is_resend) AND (provider_id IS NOT NULL) AND (session_id IS NULL));

CREATE UNIQUE INDEX reminder_log_one_resend ON public.reminder_log USING btree (organization_id, appointment_id, kind, recipient, channel) WHERE (is_resend AND (status = 'PENDING'::text));

CREATE UNIQUE INDEX reminder_log_one_resend_for_provider ON public.reminder_log USING btree (organization_id, appointment_id, kind, provider_id, channel) WHERE (is_resend AND (status = 'PENDING'::text) AND (provider_id IS NOT NULL));

CREATE INDEX reminder_log_waiting ON public.reminder_log USING btree (lease_until) WHERE (status = 'PENDING'::text);

CREATE INDEX resource_by_name ON public.resource USING btree (organization_id, name_sort, id);

CREATE INDEX revoked_token_by_expiry ON public.revoked_token USING btree (expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX seat_by_appointment ON public.seat USING btree (organization_id, appointment_id) WHERE (appointment_id IS NOT NULL);

CREATE INDEX seat_by_hold ON public.seat USING btree (organization_id, hold_id) WHERE (hold_id IS NOT NULL);

CREATE INDEX seat_given_back ON public.seat USING btree (organization_id, session_id) WHERE (NOT active);

CREATE UNIQUE INDEX seat_once ON public.seat USING btree (organization_id, session_id, number) WHERE active;

CREATE INDEX seat_to_expire ON public.seat USING btree (expires_at) WHERE (active AND (expires_at IS NOT NULL));

CREATE INDEX service_by_name ON public.service USING btree (organization_id, name_sort, id);

CREATE INDEX service_need_resource_by_resource ON public.service_need_resource USING btree (organization_id, resource_id, service_id);

CREATE INDEX service_provider_by_provider ON public.service_provider USING btree (organization_id, provider_id, service_id);

CREATE INDEX session_by_start ON public.session USING btree (organization_id, starts_at, id);

CREATE INDEX session_standing ON public.session USING btree (organization_id, service_id, starts_at) WHERE (ended_at IS NULL);

CREATE INDEX time_off_by_subject ON public.time_off USING btree (organization_id, subject_id, until_reading);

CREATE INDEX webhook_deleted ON public.webhook USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX webhook_delivery_by_age ON public.webhook_delivery USING btree (occurred_at);

CREATE INDEX webhook_delivery_by_hand ON public.webhook_delivery USING btree (organization_id, webhook_id, next_attempt_at, id) WHERE ((status = 'PENDING'::text) AND by_hand);

CREATE INDEX webhook_delivery_in_order ON public.webhook_delivery USING btree (organization_id, webhook_id, next_attempt_at, epoch, transaction_id, event_id) WHERE (status = 'PENDING'::text);

CREATE INDEX webhook_delivery_log ON public.webhook_delivery USING btree (organization_id, webhook_id, id);

CREATE INDEX webhook_delivery_log_by_status ON public.webhook_delivery USING btree (organization_id, webhook_id, status, id);

CREATE INDEX webhook_delivery_of_subject ON public.webhook_delivery USING btree (organization_id, webhook_id, subject_id, epoch, transaction_id, event_id) WHERE (status = 'PENDING'::text);

CREATE INDEX webhook_notice_due ON public.webhook USING btree (notice_due_at) WHERE (notice_due_at IS NOT NULL);

CREATE INDEX weekly_break_by_provider ON public.weekly_break USING btree (organization_id, provider_id);

CREATE INDEX weekly_break_by_subject ON public.weekly_break USING btree (organization_id, subject_id);

CREATE INDEX weekly_hours_by_provider ON public.weekly_hours USING btree (organization_id, provider_id);

CREATE INDEX weekly_hours_by_subject ON public.weekly_hours USING btree (organization_id, subject_id);

CREATE TRIGGER appointment_inserted AFTER INSERT ON public.appointment FOR EACH ROW EXECUTE FUNCTION public.appointment_written();

CREATE TRIGGER appointment_updated AFTER UPDATE ON public.appointment FOR EACH ROW WHEN ((((((old.provider_id IS DISTINCT FROM new.provider_id) OR (old.provider_ids IS DISTINCT FROM new.provider_ids)) OR (old.contact_name IS DISTINCT FROM new.contact_name)) OR (old.contact_email IS DISTINCT FROM new.contact_email)) OR (old.contact_phone IS DISTINCT FROM new.contact_phone))) EXECUTE FUNCTION public.appointment_written();

CREATE TRIGGER availability_exception_deleted AFTER DELETE ON public.availability_exception REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER availability_exception_inserted AFTER INSERT ON public.availability_exception REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER availability_exception_updated AFTER UPDATE ON public.availability_exception REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER availability_exception_written_by_0_1 BEFORE INSERT OR UPDATE ON public.availability_exception FOR EACH ROW WHEN ((new.subject_id IS NULL)) EXECUTE FUNCTION public.subject_is_provider();

CREATE TRIGGER claim_written_by_0_1 BEFORE INSERT OR UPDATE ON public.claim FOR EACH ROW WHEN ((new.subject_id IS NULL)) EXECUTE FUNCTION public.subject_is_provider();

CREATE TRIGGER customer_inserted AFTER INSERT ON public.customer FOR EACH ROW WHEN (new.made_by_staff) EXECUTE FUNCTION public.customer_written();

CREATE TRIGGER customer_updated AFTER UPDATE ON public.customer FOR EACH ROW WHEN (((((old.name IS DISTINCT FROM new.name) OR (old.email IS DISTINCT FROM new.email)) OR (old.phone IS DISTINCT FROM new.phone)) OR (old.erased_at IS DISTINCT FROM new.erased_at))) EXECUTE FUNCTION public.customer_written();

CREATE TRIGGER provider_archived AFTER UPDATE ON public.provider FOR EACH ROW WHEN ((old.is_archived <> new.is_archived)) EXECUTE FUNCTION public.provider_archived();

CREATE TRIGGER provider_inserted_by_0_1 BEFORE INSERT ON public.provider FOR EACH ROW EXECUTE FUNCTION public.subject_for_provider();

CREATE TRIGGER provider_updated AFTER UPDATE ON public.provider FOR EACH ROW EXECUTE FUNCTION public.subject_written();

CREATE TRIGGER resource_updated AFTER UPDATE ON public.resource FOR EACH ROW EXECUTE FUNCTION public.subject_written();

CREATE TRIGGER service_need_deleted AFTER DELETE ON public.service_need REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_services_written();

CREATE TRIGGER service_need_inserted AFTER INSERT ON public.service_need REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_services_written();

CREATE TRIGGER service_need_updated AFTER UPDATE ON public.service_need REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_services_written();

CREATE TRIGGER service_provider_deleted AFTER DELETE ON public.service_provider REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_services_written();

CREATE TRIGGER service_provider_inserted AFTER INSERT ON public.service_provider REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_services_written();

CREATE TRIGGER service_provider_updated AFTER UPDATE ON public.service_provider REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_services_written();

CREATE TRIGGER service_updated BEFORE UPDATE ON public.service FOR EACH ROW EXECUTE FUNCTION public.service_written();

CREATE TRIGGER time_off_deleted AFTER DELETE ON public.time_off REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER time_off_inserted AFTER INSERT ON public.time_off REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER time_off_updated AFTER UPDATE ON public.time_off REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER weekly_break_deleted AFTER DELETE ON public.weekly_break REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER weekly_break_inserted AFTER INSERT ON public.weekly_break REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER weekly_break_updated AFTER UPDATE ON public.weekly_break REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER weekly_break_written_by_0_1 BEFORE INSERT OR UPDATE ON public.weekly_break FOR EACH ROW WHEN ((new.subject_id IS NULL)) EXECUTE FUNCTION public.subject_is_provider();

CREATE TRIGGER weekly_hours_deleted AFTER DELETE ON public.weekly_hours REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER weekly_hours_inserted AFTER INSERT ON public.weekly_hours REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER weekly_hours_updated AFTER UPDATE ON public.weekly_hours REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.rules_of_subjects_written();

CREATE TRIGGER weekly_hours_written_by_0_1 BEFORE INSERT OR UPDATE ON public.weekly_hours FOR EACH ROW WHEN ((new.subject_id IS NULL)) EXECUTE FUNCTION public.subject_is_provider();

ALTER TABLE ONLY public.appointment
    ADD CONSTRAINT appointment_customer_fkey FOREIGN KEY (organization_id, customer_id) REFERENCES public.customer(organization_id, id);

ALTER TABLE ONLY public.appointment
    ADD CONSTRAINT appointment_provider_fkey FOREIGN KEY (organization_id, provider_id) REFERENCES public.provider(organization_id, id);

ALTER TABLE ONLY public.appointment
    ADD CONSTRAINT appointment_service_fkey FOREIGN KEY (organization_id, service_id) REFERENCES public.service(organization_id, id);

ALTER TABLE ONLY public.appointment
    ADD CONSTRAINT appointment_session_fkey FOREIGN KEY (organization_id, session_id) REFERENCES public.session(organization_id, id);

ALTER TABLE ONLY public.appointment_subject
    ADD CONSTRAINT appointment_subject_appointment_fkey FOREIGN KEY (organization_id, appointment_id) REFERENCES public.appointment(organization_id, id);

ALTER TABLE ONLY public.appointment_subject
    ADD CONSTRAINT appointment_subject_service_fkey FOREIGN KEY (organization_id, service_id) REFERENCES public.service(organization_id, id);

ALTER TABLE ONLY public.appointment_subject
    ADD CONSTRAINT appointment_subject_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES public.subject(organization_id, id);

ALTER TABLE ONLY public.availability_exception
    ADD CONSTRAINT availability_exception_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES public.subject(organization_id, id);

ALTER TABLE ONLY public.busy_reading
    ADD CONSTRAINT busy_reading_source_fkey FOREIGN KEY (organization_id, subject_id, source_id) REFERENCES public.busy_source(organization_id, subject_id, id);

ALTER TABLE ONLY public.busy_source
    ADD CONSTRAINT busy_source_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES public.subject(organization_id, id);

ALTER TABLE ONLY public.busy_time
    ADD CONSTRAINT busy_time_source_fkey FOREIGN KEY (organization_id, subject_id, source_id) REFERENCES public.busy_source(organization_id, subject_id, id);

ALTER TABLE ONLY public.calendar_feed
    ADD CONSTRAINT calendar_feed_customer_fkey FOREIGN KEY (organization_id, customer_id) REFERENCES public.customer(organization_id, id);

ALTER TABLE ONLY public.calendar_feed
    ADD CONSTRAINT calendar_feed_provider_fkey FOREIGN KEY (organization_id, provider_id) REFERENCES public.provider(organization_id, id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_appointment_fkey FOREIGN KEY (organization_id, appointment_id) REFERENCES public.appointment(organization_id, id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_hold_fkey FOREIGN KEY (organization_id, hold_id) REFERENCES public.hold(organization_id, id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_session_fkey FOREIGN KEY (organization_id, session_id) REFERENCES public.session(organization_id, id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES public.subject(organization_id, id);

ALTER TABLE ONLY public.customer
    ADD CONSTRAINT customer_made_by_provider_fkey FOREIGN KEY (organization_id, made_by_provider) REFERENCES public.provider(organization_id, id);

ALTER TABLE ONLY public.event_epoch
    ADD CONSTRAINT event_epoch_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.hold
    ADD CONSTRAINT hold_provider_fkey FOREIGN KEY (organization_id, provider_id) REFERENCES public.provider(organization_id, id);

ALTER TABLE ONLY public.hold
    ADD CONSTRAINT hold_service_fkey FOREIGN KEY (organization_id, service_id) REFERENCES public.service(organization_id, id);

ALTER TABLE ONLY public.hold
    ADD CONSTRAINT hold_session_fkey FOREIGN KEY (organization_id, session_id) REFERENCES public.session(organization_id, id);

ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT idempotency_key_hold_fkey FOREIGN KEY (organization_id, hold_id) REFERENCES public.hold(organization_id, id);

ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT idempotency_key_session_fkey FOREIGN KEY (organization_id, session_id) REFERENCES public.session(organization_id, id);

ALTER TABLE ONLY public.location
    ADD CONSTRAINT location_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.message_opt_out
    ADD CONSTRAINT message_opt_out_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.message_template
    ADD CONSTRAINT message_template_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.network_tally
    ADD CONSTRAINT network_tally_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.provider
    ADD CONSTRAINT provider_is_subject_fkey FOREIGN KEY (organization_id, id) REFERENCES public.subject(organization_id, id);

ALTER TABLE ONLY public.provider
    ADD CONSTRAINT provider_location_fkey FOREIGN KEY (organization_id, location_id) REFERENCES public.location(organization_id, id);

ALTER TABLE ONLY public.provider
    ADD CONSTRAINT provider_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.reminder_log
    ADD CONSTRAINT reminder_log_appointment_fkey FOREIGN KEY (organization_id, appointment_id) REFERENCES public.appointment(organization_id, id);

ALTER TABLE ONLY public.reminder_log
    ADD CONSTRAINT reminder_log_provider_fkey FOREIGN KEY (organization_id, provider_id) REFERENCES public.provider(organization_id, id);

ALTER TABLE ONLY public.reminder_log
    ADD CONSTRAINT reminder_log_session_fkey FOREIGN KEY (organization_id, session_id) REFERENCES public.session(organization_id, id);

ALTER TABLE ONLY public.resource
    ADD CONSTRAINT resource_is_subject_fkey FOREIGN KEY (organization_id, id) REFERENCES public.subject(organization_id, id);

ALTER TABLE ONLY public.revoked_token
    ADD CONSTRAINT revoked_token_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.seat
    ADD CONSTRAINT seat_appointment_fkey FOREIGN KEY (organization_id, appointment_id) REFERENCES public.appointment(organization_id, id);

ALTER TABLE ONLY public.seat
    ADD CONSTRAINT seat_hold_fkey FOREIGN KEY (organization_id, hold_id) REFERENCES public.hold(organization_id, id);

ALTER TABLE ONLY public.seat
    ADD CONSTRAINT seat_session_fkey FOREIGN KEY (organization_id, session_id) REFERENCES public.session(organization_id, id);

ALTER TABLE ONLY public.service
    ADD CONSTRAINT service_location_fkey FOREIGN KEY (organization_id, location_id) REFERENCES public.location(organization_id, id);

ALTER TABLE ONLY public.service_need_resource
    ADD CONSTRAINT service_need_resource_need_fkey FOREIGN KEY (organization_id, service_id, need_position) REFERENCES public.service_need(organization_id, service_id, "position");

ALTER TABLE ONLY public.service_need_resource
    ADD CONSTRAINT service_need_resource_resource_fkey FOREIGN KEY (organization_id, resource_id) REFERENCES public.resource(organization_id, id);

ALTER TABLE ONLY public.service_need
    ADD CONSTRAINT service_need_service_fkey FOREIGN KEY (organization_id, service_id) REFERENCES public.service(organization_id, id);

ALTER TABLE ONLY public.service
    ADD CONSTRAINT service_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.service_provider
    ADD CONSTRAINT service_provider_provider_fkey FOREIGN KEY (organization_id, provider_id) REFERENCES public.provider(organization_id, id);

ALTER TABLE ONLY public.service_provider
    ADD CONSTRAINT service_provider_service_fkey FOREIGN KEY (organization_id, service_id) REFERENCES public.service(organization_id, id);

ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_provider_fkey FOREIGN KEY (organization_id, provider_id) REFERENCES public.provider(organization_id, id);

ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_service_fkey FOREIGN KEY (organization_id, service_id) REFERENCES public.service(organization_id, id);

ALTER TABLE ONLY public.subject
    ADD CONSTRAINT subject_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.time_off
    ADD CONSTRAINT time_off_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES public.subject(organization_id, id);

ALTER TABLE ONLY public.verified_phone
    ADD CONSTRAINT verified_phone_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.webhook_delivery
    ADD CONSTRAINT webhook_delivery_webhook_fkey FOREIGN KEY (organization_id, webhook_id) REFERENCES public.webhook(organization_id, id);

ALTER TABLE ONLY public.webhook
    ADD CONSTRAINT webhook_organization_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.weekly_break
    ADD CONSTRAINT weekly_break_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES public.subject(organization_id, id);

ALTER TABLE ONLY public.weekly_hours
    ADD CONSTRAINT weekly_hours_subject_fkey FOREIGN KEY (organization_id, subject_id) REFERENCES public.subject(organization_id, id);
