-- fragment: customer_columns
-- The columns of a customer, as `customer_from` reads them.
id, subject, name, email, phone, time_zone, locale, channels, created_at, external_id, made_by_staff, erased_at;

-- name: customer_by_ids :many
-- The customers with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{customer_columns}}
FROM customer
WHERE organization_id = $1 AND id = ANY($2);

-- name: customer_by_subject :maybe
-- The account of a signed-in customer, once they have booked.
-- params: organization_id uuid, subject text
SELECT {{customer_columns}}
FROM customer
WHERE organization_id = $1 AND subject = $2;

-- name: customer_remains :maybe
-- A customer who is not erased, and can't be before this transaction ends; no row for an erased
-- one.
-- params: organization_id uuid, id uuid
SELECT id
FROM customer
WHERE organization_id = $1 AND id = $2 AND erased_at IS NULL
FOR KEY SHARE;

-- name: insert_customer :exec
-- A new customer; nothing where one with this subject, or for guests with this e-mail or phone, is
-- there already. One that staff made shares its addresses.
-- params: organization_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, locale text, channels text[], created_at timestamptz, external_id text, made_by_staff boolean, made_by_provider uuid
INSERT INTO customer (organization_id, id, subject, name, email, phone, time_zone, locale, channels, created_at,
    external_id, made_by_staff, made_by_provider)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING;

-- name: customers_of_provider :many
-- Those of these customers whom a provider serves, as the provider knows them: by the contact that
-- was given for their last visit together, and since their first one was booked; or by the record,
-- where the provider made it.
-- params: organization_id uuid, provider_id uuid, ids uuid[]
SELECT person.id, person.subject,
    CASE WHEN person.is_own THEN person.name ELSE visit.contact_name END AS name,
    CASE WHEN person.is_own THEN person.email ELSE visit.contact_email END AS email,
    CASE WHEN person.is_own THEN person.phone ELSE visit.contact_phone END AS phone,
    CASE WHEN person.is_own THEN person.time_zone ELSE visit.customer_time_zone END AS time_zone,
    CASE WHEN person.is_own THEN person.locale ELSE visit.contact_locale END AS locale,
    CASE WHEN person.is_own THEN person.channels ELSE visit.contact_channels END AS channels,
    CASE WHEN person.is_own THEN person.created_at ELSE first_visit.created_at END AS created_at,
    person.external_id, person.made_by_staff, person.erased_at
FROM (
    SELECT {{customer_columns}}, made_by_provider IS NOT DISTINCT FROM $2 AS is_own
    FROM customer
    WHERE organization_id = $1 AND id = ANY($3) AND erased_at IS NULL
) AS person
LEFT JOIN LATERAL (
    SELECT contact_name, contact_email, contact_phone, contact_locale, contact_channels,
        customer_time_zone
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = person.id
        AND (provider_id = $2 OR provider_ids @> ARRAY[$2::uuid])
    ORDER BY starts_at DESC, id DESC
    LIMIT 1
) AS visit ON true
LEFT JOIN LATERAL (
    SELECT created_at
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = person.id
        AND (provider_id = $2 OR provider_ids @> ARRAY[$2::uuid])
    ORDER BY starts_at, id
    LIMIT 1
) AS first_visit ON true
WHERE person.is_own OR visit.contact_name IS NOT NULL;

-- name: contacts_of_customers :many
-- How a provider knows these of their customers, whom they have not made themselves: by the contact
-- that was given for their last visit together, and when that was booked.
-- params: organization_id uuid, provider_id uuid, ids uuid[]
SELECT wanted.id, visit.*
FROM unnest($3::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT contact_name AS name, contact_email AS email, contact_phone AS phone, contact_locale AS locale,
        contact_channels AS channels, customer_time_zone AS time_zone, created_at AS booked_at
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = wanted.id
        AND (provider_id = $2 OR provider_ids @> ARRAY[$2::uuid])
    ORDER BY starts_at DESC, id DESC
    LIMIT 1
) AS visit;

-- name: customers_made_by_provider :many
-- Those of these customers whom a provider made, and who are not erased.
-- params: organization_id uuid, provider_id uuid, ids uuid[]
SELECT {{customer_columns}}
FROM customer
WHERE organization_id = $1 AND made_by_provider = $2 AND id = ANY($3) AND erased_at IS NULL;

-- name: first_bookings :many
-- When the first visit of these customers with a provider was booked.
-- params: organization_id uuid, provider_id uuid, ids uuid[]
SELECT wanted.id, visit.created_at
FROM unnest($3::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT created_at
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = wanted.id
        AND (provider_id = $2 OR provider_ids @> ARRAY[$2::uuid])
    ORDER BY starts_at, id
    LIMIT 1
) AS visit;

-- fragment: people_found
-- A reader's customers who have, for each word of a text ($3), a word that begins so; all of them
-- where the text has no words. The key is entered at the longest word that few have, or else at the
-- longest; a page goes on at the word of its cursor. Somebody with several words that begin so
-- counts at the first of them in the alphabet.
SELECT each.line, each.customer_id
FROM (
    -- One bound on each side: of two, the index is entered at the wrong one.
    SELECT found.start,
        greatest(found.start, coalesce($4::text, '') COLLATE "C") AS low_line,
        CASE WHEN $4 COLLATE "C" >= found.start THEN $5::uuid ELSE '00000000-0000-0000-0000-000000000000' END AS low_id,
        least(found.start || chr(1114111), coalesce($6::text, chr(1114111)) COLLATE "C") AS high_line,
        coalesce($7::uuid, '00000000-0000-0000-0000-000000000000') AS high_id
    FROM (
        SELECT coalesce((
            SELECT word
            FROM unnest(search_words($3)) AS typed (word)
            WHERE starts_with(coalesce($4::text, $6::text, ''), word)
            ORDER BY length(word) DESC
            LIMIT 1
        ), (
            -- One word after the other is looked at, until one is found that few have.
            SELECT typed.word
            FROM (
                SELECT word, length(word) AS letters
                FROM unnest(search_words($3)) AS each_typed (word)
                ORDER BY letters DESC, word
            ) AS typed
            CROSS JOIN LATERAL (
                SELECT count(*) AS total
                FROM (
                    SELECT
                    FROM customer_word
                    WHERE organization_id = $1 AND reader_id = $2
                        AND line >= typed.word AND line < typed.word || chr(1114111)
                    -- As many as a page of the index holds.
                    LIMIT 32
                ) AS few
            ) AS having_it
            WHERE having_it.total < 32
            ORDER BY typed.letters DESC, typed.word
            LIMIT 1
        ), (
            SELECT word FROM unnest(search_words($3)) AS typed (word) ORDER BY length(word) DESC, word LIMIT 1
        ), ' ') COLLATE "C" AS start
        OFFSET 0
    ) AS found
    -- Evaluated once.
    OFFSET 0
) AS entry
CROSS JOIN LATERAL (
    SELECT line, customer_id
    FROM customer_word
    WHERE organization_id = $1
        AND reader_id = $2
        AND (line, customer_id) > (entry.low_line, entry.low_id)
        AND (line, customer_id) < (entry.high_line, entry.high_id)
        AND ' ' || line LIKE ALL (ARRAY(SELECT '% ' || word || '%' FROM unnest(search_words($3)) AS typed (word)))
        AND (entry.start = ' ' OR split_part(line, ' ', 1) = (
            SELECT min(word COLLATE "C") FROM unnest(string_to_array(line, ' ')) AS own (word) WHERE starts_with(word, entry.start)
        ));

-- name: people_forward :many
-- A page of the customers found, in the order of (line, customer_id), strictly between two cursors;
-- null ones bound nothing.
-- params: organization_id uuid, reader_id uuid, search text, after_line text, after_id uuid, before_line text, before_id uuid, page_size integer
{{people_found}}
    ORDER BY line, customer_id
    LIMIT $8::integer
) AS each
ORDER BY each.line, each.customer_id;

-- name: people_backward :many
-- The same list from its other end: its last customers, in descending order.
-- params: organization_id uuid, reader_id uuid, search text, after_line text, after_id uuid, before_line text, before_id uuid, page_size integer
{{people_found}}
    ORDER BY line DESC, customer_id DESC
    LIMIT $8::integer
) AS each
ORDER BY each.line DESC, each.customer_id DESC;

-- name: count_people :one
-- The total number of customers in that list. The bounds are there for the list's sake.
-- params: organization_id uuid, reader_id uuid, search text, after_line text, after_id uuid, before_line text, before_id uuid
SELECT count(*) AS total FROM ({{people_found}}
) AS each) AS found;

-- name: customer_for_update :maybe
-- A customer as they are now, locked until the transaction ends.
-- params: organization_id uuid, id uuid
SELECT {{customer_columns}}
FROM customer
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: guest_is_known :one
-- Whether guests with this e-mail (or, without one, this phone number) already have another record.
-- params: organization_id uuid, id uuid, email text, phone text
SELECT EXISTS (
    SELECT FROM customer
    WHERE organization_id = $1
        AND id <> $2
        AND subject IS NULL
        AND NOT made_by_staff
        AND CASE WHEN $3::text IS NULL THEN email IS NULL AND phone = $4 ELSE lower(email) = lower($3) END
) AS known;

-- name: update_customer :one
-- Replaces all values of a customer.
-- params: organization_id uuid, id uuid, name text, email text, phone text, time_zone text, locale text, channels text[], external_id text
UPDATE customer
SET name = $3, email = $4, phone = $5, time_zone = $6, locale = $7, channels = $8, external_id = $9
WHERE organization_id = $1 AND id = $2
RETURNING id;

-- name: lock_appointments_of_customer :exec
-- Wait for running changes of a customer's appointments, and let none begin until the transaction
-- ends. Everything that locks several appointments does it in one order, so that there is no
-- deadlock.
-- params: organization_id uuid, customer_id uuid
SELECT id
FROM appointment
WHERE organization_id = $1 AND customer_id = $2
ORDER BY id
FOR UPDATE;

-- name: erase_customer :one
-- Remove all personal data from a customer's record; the row stays, for the appointments that refer
-- to it.
-- params: organization_id uuid, id uuid, name text, erased_at timestamptz
UPDATE customer
SET subject = NULL, name = $3, email = NULL, phone = NULL, time_zone = 'UTC', locale = NULL,
    channels = NULL, external_id = NULL, made_by_provider = NULL,
    erased_at = coalesce(erased_at, $4)
WHERE organization_id = $1 AND id = $2
RETURNING {{customer_columns}};

-- name: erase_appointments_of_customer :exec
-- Remove all personal data from a customer's appointments; times, states and prices stay.
-- params: organization_id uuid, customer_id uuid, name text
UPDATE appointment
SET contact_name = $3, contact_email = NULL, contact_phone = NULL, contact_locale = NULL,
    contact_channels = NULL, notes = NULL, staff_notes = NULL, external_id = NULL,
    cancellation_reason = NULL, customer_time_zone = 'UTC', guest_origin = NULL
WHERE organization_id = $1 AND customer_id = $2;

-- name: erase_history_of_customer :exec
-- Remove all personal data of the customer from the history of their appointments; what happened
-- when, and the names of staff, stay.
-- params: organization_id uuid, customer_id uuid
UPDATE appointment_history
SET reason = NULL, former_email = NULL, former_phone = NULL, actor_subject = CASE WHEN actor = 'CUSTOMER' THEN NULL ELSE actor_subject END
WHERE organization_id = $1
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2);

-- name: erase_keys_of_customer :exec
-- Delete the keys of a customer's requests, and with them the subject that they are stored under.
-- params: organization_id uuid, caller text, customer_id uuid
DELETE FROM idempotency_key
WHERE organization_id = $1
    AND (
        caller = $2
        OR appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $3)
    );

-- name: erase_holds_of_caller :exec
-- The holds of an erased customer are no longer theirs.
-- params: organization_id uuid, caller text
UPDATE hold
SET caller = 'erased'
WHERE organization_id = $1 AND caller = $2;

-- name: forget_channels_of_customer :exec
-- What was asked for at booking no longer counts: the customer's record says on which channels they
-- want messages.
-- params: organization_id uuid, customer_id uuid
UPDATE appointment
SET contact_channels = NULL
WHERE organization_id = $1 AND customer_id = $2 AND contact_channels IS NOT NULL;

-- name: export_customer :maybe
-- Everything that is stored about a customer, as JSON: their record, their appointments with
-- history and the messages to them, the numbers of theirs that are verified, their calendar feed,
-- and their holds. Whole rows, so that a column to come is in it. Left out are keys of other things
-- that say nothing by themselves, hashes, and who of the staff did what.
-- params: organization_id uuid, customer_id uuid, caller text
SELECT jsonb_build_object(
    'customer', to_jsonb(customer) - '{organization_id,made_by_provider}'::text[],
    'appointments', (
        SELECT coalesce(jsonb_agg(
            to_jsonb(appointment) - '{organization_id,customer_id,guest_origin}'::text[] || jsonb_build_object(
                'history', (
                    SELECT coalesce(jsonb_agg(
                        to_jsonb(entry) - '{organization_id,appointment_id,actor_subject}'::text[] ORDER BY entry.version
                    ), '[]')
                    FROM appointment_history AS entry
                    WHERE entry.organization_id = $1 AND entry.appointment_id = appointment.id
                ),
                'messages', (
                    SELECT coalesce(jsonb_agg(
                        to_jsonb(message) - '{organization_id,appointment_id,destination,lease_until}'::text[]
                        ORDER BY message.created_at, message.id
                    ), '[]')
                    FROM reminder_log AS message
                    WHERE message.organization_id = $1
                        AND message.appointment_id = appointment.id
                        AND message.recipient = 'CUSTOMER'
                )
            ) ORDER BY appointment.starts_at, appointment.id
        ), '[]')
        FROM appointment
        WHERE appointment.organization_id = $1 AND appointment.customer_id = $2
    ),
    'verified_phones', (
        SELECT coalesce(jsonb_agg(to_jsonb(verified) - 'organization_id' ORDER BY verified.phone), '[]')
        FROM verified_phone AS verified
        WHERE verified.organization_id = $1
            AND verified.phone IN (
                SELECT customer.phone
                UNION ALL
                SELECT contact_phone FROM appointment WHERE organization_id = $1 AND customer_id = $2
            )
    ),
    'calendar_feeds', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('created_at', feed.created_at)), '[]')
        FROM calendar_feed AS feed
        WHERE feed.organization_id = $1 AND feed.customer_id = $2
    ),
    'holds', (
        SELECT coalesce(jsonb_agg(to_jsonb(hold) - '{organization_id,caller}'::text[] ORDER BY hold.created_at, hold.id), '[]')
        FROM hold
        WHERE hold.organization_id = $1 AND hold.caller = $3
    )
)::text AS exported
FROM customer
WHERE organization_id = $1 AND id = $2;
