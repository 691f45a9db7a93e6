-- For databases that are distributed: events, recorded by a function that runs where the
-- organization's rows are. One PostgreSQL does the same by begin_epoch and insert_events, in the
-- statement that writes the rest.
CREATE FUNCTION record_events(
    organization_id uuid, ids uuid[], types text[], subject_ids uuid[], versions integer[], provider_ids uuid[],
    customer_ids uuid[], occurred_at timestamptz, actor text, actor_subject text
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
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
