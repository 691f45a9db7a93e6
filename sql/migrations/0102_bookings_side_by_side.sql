-- Bookings that are made side by side are committed together. One whose look is outdated must not undo the
-- others: as long as nothing is written, try_to_book says why with a word, where book_as_seen failed. That
-- leaves nothing in PostgreSQL's log either. It still fails where the time is taken, and where the key is when it
-- is written. And it waits for the rows of others for a moment at most. It has a name of its own: a process
-- that expects failures would take a word for a booking. Otherwise it is as book_as_seen was. Blocks nobody.

CREATE FUNCTION try_to_book(
    organization_id uuid, alone bigint[], shared bigint[], seen_organization xid, seen_rules bigint,
    seen_customer uuid, seen_customer_version xid, seen_counts integer[], open_at timestamptz, on_day date,
    minute_from integer, minute_until integer, longest_minutes integer, claim_id uuid, unit integer,
    claimed_from timestamptz, claimed_until timestamptz, visit_from timestamptz, visit_until timestamptz,
    new_customer uuid, customer_subject text, customer_name text, customer_email text, customer_phone text,
    customer_time_zone text, customer_locale text, customer_channels text[], appointment_id uuid, provider_id uuid,
    service_id uuid, customer_id uuid, starts_at timestamptz, ends_at timestamptz, visitor_time_zone text,
    contact_name text, contact_email text, contact_phone text, contact_locale text, contact_channels text[],
    notes text, price_minor bigint, price_currency text, policy_free_until_minutes_before integer,
    policy_grace_minutes integer, policy_late_cancellation text, policy_late_fee_minor bigint,
    policy_late_fee_currency text, policy_late_fee_percent integer, policy_charges_no_show boolean,
    booked_at timestamptz, from_origin bytea, tallied integer, actor text, actor_subject text, planned_kinds text[],
    planned_for timestamptz[], by_guest boolean, planned_origins bytea[], event_ids uuid[], event_types text[],
    event_subjects uuid[], event_versions integer[], event_providers uuid[], event_customers uuid[],
    staff_subject text, mutation text, caller text, key text, request_hash bytea
) RETURNS text LANGUAGE plpgsql VOLATILE
-- As for claims_under_lock: there is one good plan, and it reads by indexes.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
-- Others are committed with it, so it waits for nobody's row.
SET lock_timeout = '100ms' AS $$
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

DROP FUNCTION book_as_seen(
    uuid, bigint[], bigint[], xid, bigint, uuid, xid, integer[], timestamptz, date, integer, integer, integer,
    uuid, integer, timestamptz, timestamptz, timestamptz, timestamptz, uuid, text, text, text, text, text,
    text, text[], uuid, uuid, uuid, uuid, timestamptz, timestamptz, text, text, text, text, text, text[],
    text, bigint, text, integer, integer, text, bigint, text, integer, boolean, timestamptz, bytea, integer,
    text, text, text[], timestamptz[], boolean, bytea[], uuid[], text[], uuid[], integer[], uuid[], uuid[],
    text, text, text, text, bytea
);
