-- fragment: appointment_columns
-- The columns of an appointment, as `appointment_from` reads them.
id, provider_id, provider_ids, named, resource_ids, session_id, seats, ignored, service_id,
customer_id, status, starts_at, ends_at, customer_time_zone, contact_name, contact_email,
contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
price_currency, policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor,
policy_late_fee_currency, policy_late_fee_percent, created_at, cancelled_at, cancellation_reason,
cancellation_fee_minor, cancellation_fee_currency, policy_grace_minutes, policy_charges_no_show,
staff_notes, manage_generation, external_id;

-- name: appointment_by_ids :many
-- The appointments with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1 AND id = ANY($2);

-- fragment: on_page_by_start
-- The appointments of a page in the order of (starts_at, id): strictly between two cursors, that
-- start from $7, inclusive, to $8, exclusive; null ones bound nothing. One bound on each side: of
-- two, an index is entered at the wrong one.
(appointment.starts_at, appointment.id) > (
        greatest(coalesce($2::timestamptz, '-infinity'), coalesce($7::timestamptz, '-infinity')),
        CASE WHEN $2 < $7 THEN '00000000-0000-0000-0000-000000000000'::uuid ELSE coalesce($3::uuid, '00000000-0000-0000-0000-000000000000') END
    )
    AND (appointment.starts_at, appointment.id) < (
        least(coalesce($4::timestamptz, 'infinity'), coalesce($8::timestamptz, 'infinity')),
        CASE WHEN $4 < coalesce($8, 'infinity') THEN $5::uuid ELSE '00000000-0000-0000-0000-000000000000' END
    );

-- fragment: taken_on_page_by_start
-- The same for what appointments take besides their lead.
(taken.starts_at, taken.appointment_id) > (
        greatest(coalesce($2::timestamptz, '-infinity'), coalesce($7::timestamptz, '-infinity')),
        CASE WHEN $2 < $7 THEN '00000000-0000-0000-0000-000000000000'::uuid ELSE coalesce($3::uuid, '00000000-0000-0000-0000-000000000000') END
    )
    AND (taken.starts_at, taken.appointment_id) < (
        least(coalesce($4::timestamptz, 'infinity'), coalesce($8::timestamptz, 'infinity')),
        CASE WHEN $4 < coalesce($8, 'infinity') THEN $5::uuid ELSE '00000000-0000-0000-0000-000000000000' END
    );

-- fragment: is_wanted
-- The appointments in these states, for these services, with these providers, resources and
-- customers; null ones bound nothing. $14 is the provider who looks, and sees their own. $16 has
-- words of the customer, as the reader $15 knows them. Cases, since a plan for any parameters takes
-- half of the rows to meet one; an OR is taken to be met by next to none, and then all rows are
-- sorted for a page. IS TRUE, since the index of confirmed ones is in another order.
CASE WHEN $9::text[] IS NULL THEN true ELSE (appointment.status = ANY($9)) IS TRUE END
    AND CASE WHEN $10::uuid[] IS NULL THEN true ELSE appointment.service_id = ANY($10) END
    AND CASE WHEN $11::uuid[] IS NULL THEN true ELSE appointment.provider_id = ANY($11) OR appointment.provider_ids && $11 END
    AND CASE WHEN $12::uuid[] IS NULL THEN true ELSE appointment.resource_ids && $12 END
    AND CASE WHEN $13::uuid[] IS NULL THEN true ELSE appointment.customer_id = ANY($13) END
    AND CASE WHEN $14::uuid IS NULL THEN true ELSE appointment.provider_id = $14 OR appointment.provider_ids @> ARRAY[$14] END
    AND CASE WHEN $16::text IS NULL THEN true ELSE EXISTS (
        SELECT
        FROM customer_word AS known
        WHERE known.organization_id = $1
            AND known.reader_id = $15::uuid
            AND known.customer_id = appointment.customer_id
            AND starts_with(known.line, ' ')
            AND known.line LIKE ALL (ARRAY(SELECT '% ' || word || '%' FROM unnest(search_words($16)) AS typed (word)))
    ) END;

-- fragment: starts_within
-- The appointments that start from $7, inclusive, to $8, exclusive, in lists of another order: by
-- no index.
CASE WHEN $7::timestamptz IS NULL THEN true ELSE appointment.starts_at >= $7 END
    AND CASE WHEN $8::timestamptz IS NULL THEN true ELSE appointment.starts_at < $8 END;

-- fragment: keys_of_subjects
-- The keys of all appointments of the providers, resources and services $17: as many as are few,
-- $18, and one more.
SELECT each.id, each.created_at
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT id, created_at
    FROM appointment
    WHERE organization_id = $1 AND provider_id = wanted.wanted_id
    UNION ALL
    SELECT id, created_at
    FROM appointment
    WHERE organization_id = $1 AND service_id = wanted.wanted_id
    UNION ALL
    SELECT taken.appointment_id, (
        SELECT created_at FROM appointment WHERE organization_id = $1 AND id = taken.appointment_id
    )
    FROM appointment_subject AS taken
    WHERE taken.organization_id = $1 AND taken.subject_id = wanted.wanted_id AND taken.position > 1
) AS each
LIMIT $18::integer + 1;

-- fragment: on_page_by_creation
-- The appointments of a page in the order of (created_at, id): strictly between two cursors; null
-- ones bound nothing.
(created_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (created_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'));

-- name: appointments_of_organization_forward :many
-- A page of all the organization's appointments in the order of (starts_at, id).
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1
    AND {{on_page_by_start}}
    AND {{is_wanted}}
ORDER BY starts_at, id
LIMIT $6::integer;

-- name: appointments_of_organization_backward :many
-- The same list from its other end: its last appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1
    AND {{on_page_by_start}}
    AND {{is_wanted}}
ORDER BY starts_at DESC, id DESC
LIMIT $6::integer;

-- name: appointments_of_subjects_forward :many
-- The same page of the appointments of each of these providers and resources, those that a provider
-- leads and others, in the order of (starts_at, id).
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT theirs.*
    FROM (
        (
            SELECT {{appointment_columns}}
            FROM appointment
            WHERE organization_id = $1
                AND provider_id = wanted.wanted_id
                AND {{on_page_by_start}}
                AND {{is_wanted}}
            ORDER BY starts_at, id
            LIMIT $6::integer
        )
        UNION ALL
        (
            SELECT with_others.*
            FROM appointment_subject AS taken
            CROSS JOIN LATERAL (
                SELECT {{appointment_columns}}
                FROM appointment
                WHERE organization_id = $1 AND id = taken.appointment_id AND {{is_wanted}}
            ) AS with_others
            WHERE taken.organization_id = $1
                AND taken.subject_id = wanted.wanted_id
                AND taken.position > 1
                AND {{taken_on_page_by_start}}
            ORDER BY taken.starts_at, taken.appointment_id
            LIMIT $6::integer
        )
    ) AS theirs
    ORDER BY theirs.starts_at, theirs.id
    LIMIT $6::integer
) AS page
ORDER BY page.starts_at, page.id;

-- name: appointments_of_subjects_backward :many
-- The same lists from their other end: the last of each one's appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT theirs.*
    FROM (
        (
            SELECT {{appointment_columns}}
            FROM appointment
            WHERE organization_id = $1
                AND provider_id = wanted.wanted_id
                AND {{on_page_by_start}}
                AND {{is_wanted}}
            ORDER BY starts_at DESC, id DESC
            LIMIT $6::integer
        )
        UNION ALL
        (
            SELECT with_others.*
            FROM appointment_subject AS taken
            CROSS JOIN LATERAL (
                SELECT {{appointment_columns}}
                FROM appointment
                WHERE organization_id = $1 AND id = taken.appointment_id AND {{is_wanted}}
            ) AS with_others
            WHERE taken.organization_id = $1
                AND taken.subject_id = wanted.wanted_id
                AND taken.position > 1
                AND {{taken_on_page_by_start}}
            ORDER BY taken.starts_at DESC, taken.appointment_id DESC
            LIMIT $6::integer
        )
    ) AS theirs
    ORDER BY theirs.starts_at DESC, theirs.id DESC
    LIMIT $6::integer
) AS page
ORDER BY page.starts_at DESC, page.id DESC;

-- name: appointments_of_services_forward :many
-- The same page of the appointments for each of these services, in the order of (starts_at, id).
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1
        AND service_id = wanted.wanted_id
        AND {{on_page_by_start}}
        AND {{is_wanted}}
    ORDER BY starts_at, id
    LIMIT $6::integer
) AS page
ORDER BY page.starts_at, page.id;

-- name: appointments_of_services_backward :many
-- The same lists from their other end: the last appointments for each service, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1
        AND service_id = wanted.wanted_id
        AND {{on_page_by_start}}
        AND {{is_wanted}}
    ORDER BY starts_at DESC, id DESC
    LIMIT $6::integer
) AS page
ORDER BY page.starts_at DESC, page.id DESC;

-- name: appointments_of_customers_forward :many
-- The same page of each of these customers' appointments in the order of (starts_at, id).
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = wanted.wanted_id
        AND {{on_page_by_start}}
        AND {{is_wanted}}
    ORDER BY starts_at, id
    LIMIT $6::integer
) AS page
ORDER BY page.starts_at, page.id;

-- name: appointments_of_customers_backward :many
-- The same lists from their other end: the last of each customer's appointments, in descending
-- order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = wanted.wanted_id
        AND {{on_page_by_start}}
        AND {{is_wanted}}
    ORDER BY starts_at DESC, id DESC
    LIMIT $6::integer
) AS page
ORDER BY page.starts_at DESC, page.id DESC;

-- name: appointments_by_creation_forward :many
-- A page of all the organization's appointments in the order of (created_at, id).
-- params: organization_id uuid, after_creation timestamptz, after_id uuid, before_creation timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1
    AND {{on_page_by_creation}}
    AND {{starts_within}}
    AND {{is_wanted}}
ORDER BY created_at, id
LIMIT $6::integer;

-- name: appointments_by_creation_backward :many
-- The same list from its other end: its last appointments, in descending order.
-- params: organization_id uuid, after_creation timestamptz, after_id uuid, before_creation timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1
    AND {{on_page_by_creation}}
    AND {{starts_within}}
    AND {{is_wanted}}
ORDER BY created_at DESC, id DESC
LIMIT $6::integer;

-- name: appointments_of_customers_by_creation_forward :many
-- The same page of each of these customers' appointments in the order of (created_at, id).
-- params: organization_id uuid, after_creation timestamptz, after_id uuid, before_creation timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT theirs.*
    FROM (
        SELECT {{appointment_columns}}
        FROM appointment
        WHERE organization_id = $1
            AND customer_id = wanted.wanted_id
            AND starts_at >= coalesce($7::timestamptz, '-infinity')
            AND starts_at < coalesce($8::timestamptz, 'infinity')
            AND {{is_wanted}}
        -- All that the customer has are read and sorted: without this the list of the whole
        -- organization might be read.
        OFFSET 0
    ) AS theirs
    WHERE {{on_page_by_creation}}
    ORDER BY created_at, id
    LIMIT $6::integer
) AS page
ORDER BY page.created_at, page.id;

-- name: appointments_of_customers_by_creation_backward :many
-- The same lists from their other end: the last of each customer's appointments, in descending
-- order.
-- params: organization_id uuid, after_creation timestamptz, after_id uuid, before_creation timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT theirs.*
    FROM (
        SELECT {{appointment_columns}}
        FROM appointment
        WHERE organization_id = $1
            AND customer_id = wanted.wanted_id
            AND starts_at >= coalesce($7::timestamptz, '-infinity')
            AND starts_at < coalesce($8::timestamptz, 'infinity')
            AND {{is_wanted}}
        -- All that the customer has are read and sorted: without this the list of the whole
        -- organization might be read.
        OFFSET 0
    ) AS theirs
    WHERE {{on_page_by_creation}}
    ORDER BY created_at DESC, id DESC
    LIMIT $6::integer
) AS page
ORDER BY page.created_at DESC, page.id DESC;

-- name: appointments_of_people_forward :many
-- A page of the appointments of all these customers together, in the order of (starts_at, id):
-- their keys are read from the index, and then the rows as far as the page goes.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT page.*
FROM (
    SELECT theirs.id, theirs.starts_at
    FROM unnest($17::uuid[]) AS wanted (wanted_id)
    CROSS JOIN LATERAL (
        SELECT id, starts_at
        FROM appointment
        WHERE organization_id = $1
            AND customer_id = wanted.wanted_id
            AND {{on_page_by_start}}
        -- Entered for each customer.
        OFFSET 0
    ) AS theirs
    ORDER BY theirs.starts_at, theirs.id
) AS key
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND id = key.id AND {{is_wanted}}
    -- Read one after the other, until the page is full.
    OFFSET 0
) AS page
ORDER BY key.starts_at, key.id
LIMIT $6::integer;

-- name: appointments_of_people_backward :many
-- The same list from its other end: its last appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT page.*
FROM (
    SELECT theirs.id, theirs.starts_at
    FROM unnest($17::uuid[]) AS wanted (wanted_id)
    CROSS JOIN LATERAL (
        SELECT id, starts_at
        FROM appointment
        WHERE organization_id = $1
            AND customer_id = wanted.wanted_id
            AND {{on_page_by_start}}
        -- Entered for each customer.
        OFFSET 0
    ) AS theirs
    ORDER BY theirs.starts_at DESC, theirs.id DESC
) AS key
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND id = key.id AND {{is_wanted}}
    -- Read one after the other, until the page is full.
    OFFSET 0
) AS page
ORDER BY key.starts_at DESC, key.id DESC
LIMIT $6::integer;

-- name: appointments_of_many_people_forward :many
-- The same for so many customers that fewer entries are read in the organization's order, where
-- each names its customer.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT page.*
FROM (
    SELECT id, starts_at
    FROM appointment
    WHERE organization_id = $1
        AND {{on_page_by_start}}
        -- Of no use for entering the index by customer, and one table for all, whatever the plan.
        AND (customer_id IN (SELECT unnest($17::uuid[]))) IS TRUE
    ORDER BY starts_at, id
    -- None; but a plan that knows of a limit, and not how much it is, reads the index in its order.
    LIMIT (SELECT 2147483647)
) AS key
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND id = key.id AND {{is_wanted}}
    -- Read one after the other, until the page is full.
    OFFSET 0
) AS page
ORDER BY key.starts_at, key.id
LIMIT $6::integer;

-- name: appointments_of_many_people_backward :many
-- The same list from its other end: its last appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT page.*
FROM (
    SELECT id, starts_at
    FROM appointment
    WHERE organization_id = $1
        AND {{on_page_by_start}}
        -- Of no use for entering the index by customer, and one table for all, whatever the plan.
        AND (customer_id IN (SELECT unnest($17::uuid[]))) IS TRUE
    ORDER BY starts_at DESC, id DESC
    -- None; but a plan that knows of a limit, and not how much it is, reads the index in its order.
    LIMIT (SELECT 2147483647)
) AS key
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND id = key.id AND {{is_wanted}}
    -- Read one after the other, until the page is full.
    OFFSET 0
) AS page
ORDER BY key.starts_at DESC, key.id DESC
LIMIT $6::integer;

-- name: appointments_of_subjects_by_creation_forward :many
-- A page of the appointments of all these providers, resources and services together, in the order
-- of (created_at, id). Where they have more than $18, the organization's list is read as far as the
-- page goes.
-- params: organization_id uuid, after_creation timestamptz, after_id uuid, before_creation timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[], few integer
WITH theirs AS MATERIALIZED (
    {{keys_of_subjects}}
)
SELECT page.*
FROM (
    (
        SELECT found.*
        FROM (
            SELECT DISTINCT created_at, id
            FROM theirs
            WHERE (SELECT count(*) FROM theirs) <= $18 AND {{on_page_by_creation}}
            ORDER BY created_at, id
        ) AS key
        CROSS JOIN LATERAL (
            SELECT {{appointment_columns}}
            FROM appointment
            WHERE organization_id = $1 AND id = key.id AND {{starts_within}} AND {{is_wanted}}
            -- Read one after the other, until the page is full.
            OFFSET 0
        ) AS found
        ORDER BY key.created_at, key.id
        LIMIT $6::integer
    )
    UNION ALL
    (
        SELECT {{appointment_columns}}
        FROM appointment
        WHERE organization_id = $1
            AND (SELECT count(*) FROM theirs) > $18
            AND {{on_page_by_creation}}
            AND {{starts_within}}
            AND {{is_wanted}}
        ORDER BY created_at, id
        LIMIT $6::integer
    )
) AS page
ORDER BY page.created_at, page.id;

-- name: appointments_of_subjects_by_creation_backward :many
-- The same list from its other end: its last appointments, in descending order.
-- params: organization_id uuid, after_creation timestamptz, after_id uuid, before_creation timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[], few integer
WITH theirs AS MATERIALIZED (
    {{keys_of_subjects}}
)
SELECT page.*
FROM (
    (
        SELECT found.*
        FROM (
            SELECT DISTINCT created_at, id
            FROM theirs
            WHERE (SELECT count(*) FROM theirs) <= $18 AND {{on_page_by_creation}}
            ORDER BY created_at DESC, id DESC
        ) AS key
        CROSS JOIN LATERAL (
            SELECT {{appointment_columns}}
            FROM appointment
            WHERE organization_id = $1 AND id = key.id AND {{starts_within}} AND {{is_wanted}}
            -- Read one after the other, until the page is full.
            OFFSET 0
        ) AS found
        ORDER BY key.created_at DESC, key.id DESC
        LIMIT $6::integer
    )
    UNION ALL
    (
        SELECT {{appointment_columns}}
        FROM appointment
        WHERE organization_id = $1
            AND (SELECT count(*) FROM theirs) > $18
            AND {{on_page_by_creation}}
            AND {{starts_within}}
            AND {{is_wanted}}
        ORDER BY created_at DESC, id DESC
        LIMIT $6::integer
    )
) AS page
ORDER BY page.created_at DESC, page.id DESC;

-- name: count_appointments_of_organization :one
-- The total number of appointments in the organization's list. The bounds of pages are there for
-- the list's sake.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text
SELECT count(*) AS total
FROM (
    SELECT
    FROM appointment
    WHERE organization_id = $1
        AND {{on_page_by_start}}
        AND {{is_wanted}}
    LIMIT $6::integer
) AS listed;

-- name: count_appointments_of_subjects :many
-- The total number of appointments in each of those lists, and under a null that of them all, in
-- which nothing counts twice; no row for an empty one.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, count(DISTINCT theirs.id) AS total
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    (
        SELECT id
        FROM appointment
        WHERE organization_id = $1
            AND provider_id = wanted.wanted_id
            AND {{on_page_by_start}}
            AND {{is_wanted}}
        LIMIT $6::integer
    )
    UNION ALL
    (
        SELECT taken.appointment_id
        FROM appointment_subject AS taken
        CROSS JOIN LATERAL (
            SELECT
            FROM appointment
            WHERE organization_id = $1 AND id = taken.appointment_id AND {{is_wanted}}
        ) AS with_others
        WHERE taken.organization_id = $1
            AND taken.subject_id = wanted.wanted_id
            AND taken.position > 1
            AND {{taken_on_page_by_start}}
        LIMIT $6::integer
    )
) AS theirs
GROUP BY GROUPING SETS ((wanted.wanted_id), ());

-- name: count_appointments_of_services :one
-- The total number of appointments in those lists together.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT count(*) AS total
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT
    FROM appointment
    WHERE organization_id = $1
        AND service_id = wanted.wanted_id
        AND {{on_page_by_start}}
        AND {{is_wanted}}
    LIMIT $6::integer
) AS theirs;

-- name: count_appointments_of_customers :many
-- The total number of appointments in each of those lists; no row for an empty one.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], service_ids uuid[], provider_ids uuid[], resource_ids uuid[], customer_ids uuid[], seen_by uuid, reader_id uuid, search text, wanted_ids uuid[]
SELECT wanted.wanted_id, count(*) AS total
FROM unnest($17::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = wanted.wanted_id
        AND {{on_page_by_start}}
        AND {{is_wanted}}
    LIMIT $6::integer
) AS theirs
GROUP BY wanted.wanted_id;

-- name: insert_appointment :exec
-- A confirmed appointment, in its first version.
-- params: organization_id uuid, id uuid, provider_id uuid, service_id uuid, customer_id uuid, starts_at timestamptz, ends_at timestamptz, customer_time_zone text, contact_name text, contact_email text, contact_phone text, contact_locale text, notes text, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, contact_channels text[], created_at timestamptz, guest_origin bytea, provider_ids uuid[], named integer, resource_ids uuid[], session_id uuid, seats integer, ignored text[], policy_grace_minutes integer, policy_charges_no_show boolean, external_id text
INSERT INTO appointment (organization_id, id, provider_id, service_id, customer_id, status, starts_at, ends_at,
    customer_time_zone, contact_name, contact_email, contact_phone, contact_locale, notes, version,
    time_version, price_minor, price_currency, policy_free_until_minutes_before,
    policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, contact_channels, created_at, guest_origin, provider_ids, named,
    resource_ids, session_id, seats, ignored, policy_grace_minutes, policy_charges_no_show,
    external_id)
VALUES ($1, $2, $3, $4, $5, 'CONFIRMED', $6, $7, $8, $9, $10, $11, $12, $13, 1, 1, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32);

-- name: appointment_for_update :maybe
-- An appointment as it is now, locked until the transaction ends: changes of one appointment are
-- serialized.
-- params: organization_id uuid, id uuid
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: share_appointments :exec
-- No change of these appointments, and no erasure of their customers, commits until the transaction
-- ends. Locked in one order, so that there is no deadlock.
-- params: organization_id uuid, ids uuid[]
SELECT id
FROM appointment
WHERE organization_id = $1 AND id = ANY($2)
ORDER BY id
FOR KEY SHARE;

-- name: appointments_to_complete :many
-- A batch of appointments that have ended and are still confirmed, of all organizations.
-- params: ended_by timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id
FROM appointment
WHERE status = 'CONFIRMED' AND ends_at <= $1
ORDER BY ends_at
LIMIT $2::integer;

-- name: history_of_appointments :many
-- The history of these appointments, in order; with each entry the providers and the session that
-- its appointment has now.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT entry.appointment_id, entry.version, entry.kind, entry.occurred_at, entry.actor,
    entry.actor_subject, entry.from_status, entry.to_status, entry.from_starts_at,
    entry.to_starts_at, entry.reason, entry.from_provider_ids, entry.assignment,
    coalesce(appointment.provider_ids, ARRAY[appointment.provider_id]) AS provider_ids,
    entry.from_session_id, appointment.session_id, entry.from_seats, appointment.seats,
    entry.ignored, entry.is_readdressed, entry.former_email, entry.former_phone
FROM appointment_history AS entry
JOIN appointment ON appointment.organization_id = $1 AND appointment.id = entry.appointment_id
WHERE entry.organization_id = $1 AND entry.appointment_id = ANY($2)
ORDER BY entry.appointment_id, entry.version;

-- name: update_appointment :exec
-- An appointment that is locked, in its next version. A guest's network is kept no longer than the
-- appointment is open.
-- params: organization_id uuid, id uuid, status text, starts_at timestamptz, ends_at timestamptz, version integer, time_version integer, cancelled_at timestamptz, cancellation_reason text, cancellation_fee_minor bigint, cancellation_fee_currency text, provider_id uuid, provider_ids uuid[], named integer, resource_ids uuid[], session_id uuid, seats integer, ignored text[], price_minor bigint
UPDATE appointment
SET status = $3, starts_at = $4, ends_at = $5, version = $6, time_version = $7, cancelled_at = $8,
    cancellation_reason = $9, cancellation_fee_minor = $10, cancellation_fee_currency = $11,
    provider_id = $12, provider_ids = $13, named = $14, resource_ids = $15, session_id = $16,
    seats = $17, ignored = $18,
    price_minor = $19, guest_origin = CASE WHEN $3 = 'CONFIRMED' THEN guest_origin END
WHERE organization_id = $1 AND id = $2;

-- name: correct_appointment :exec
-- What was given for an appointment that is locked, and the generation of its manage links, in its
-- next version.
-- params: organization_id uuid, id uuid, version integer, time_version integer, contact_name text, contact_email text, contact_phone text, contact_locale text, contact_channels text[], notes text, customer_time_zone text, staff_notes text, manage_generation integer, external_id text
UPDATE appointment
SET version = $3, time_version = $4, contact_name = $5, contact_email = $6, contact_phone = $7,
    contact_locale = $8, contact_channels = $9, notes = $10, customer_time_zone = $11,
    staff_notes = $12, manage_generation = $13, external_id = $14
WHERE organization_id = $1 AND id = $2;

-- name: appointments_of_session_for_update :many
-- The confirmed appointments in a session, locked until the transaction ends. Locked in one order,
-- as in ended_for_update.
-- params: organization_id uuid, session_id uuid
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1 AND session_id = $2 AND status = 'CONFIRMED'
ORDER BY id
FOR UPDATE;

-- name: ended_for_update :many
-- Those of these appointments that are still confirmed and have ended, locked until the transaction
-- ends. Locked in one order, so that two workers never deadlock.
-- params: organization_id uuid, ids uuid[], ended_by timestamptz
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1 AND id = ANY($2) AND status = 'CONFIRMED' AND ends_at <= $3
ORDER BY id
FOR UPDATE;

-- name: complete_appointments :exec
-- These appointments, which are locked, took place: each in its next version.
-- params: organization_id uuid, ids uuid[]
UPDATE appointment
SET status = 'COMPLETED', version = version + 1, guest_origin = NULL
WHERE organization_id = $1 AND id = ANY($2);
