-- name: upsert_subjects :exec
-- Whom and what an appointment takes, in this order; the arrays run in parallel. Those whom it has
-- already keep the instant at which they were assigned.
-- params: organization_id uuid, appointment_id uuid, service_id uuid, starts_at timestamptz, assigned_at timestamptz, subject_ids uuid[], units integer[], are_named boolean[]
INSERT INTO appointment_subject (organization_id, appointment_id, subject_id, unit, position, is_named, service_id,
    assigned_at, starts_at)
SELECT subject.organization_id, $2, subject.id, given.unit, given.position, given.is_named, $3, $5,
    $4
FROM subject
CROSS JOIN unnest($6::uuid[], $7::integer[], $8::boolean[]) WITH ORDINALITY
    AS given (subject_id, unit, is_named, position)
WHERE subject.organization_id = $1 AND subject.id = given.subject_id
ON CONFLICT ON CONSTRAINT appointment_subject_pkey DO UPDATE
    SET position = excluded.position, is_named = excluded.is_named, starts_at = excluded.starts_at;

-- name: delete_subjects :exec
-- An appointment takes nobody and nothing any more but these units of subjects; the arrays run in
-- parallel.
-- params: organization_id uuid, appointment_id uuid, kept_ids uuid[], kept_units integer[]
DELETE FROM appointment_subject
WHERE organization_id = $1 AND appointment_id = $2
    AND (subject_id, unit) NOT IN (SELECT * FROM unnest($3::uuid[], $4::integer[]));

-- name: last_assigned :many
-- When the service last assigned each of these providers; no row for those whom it never did.
-- params: organization_id uuid, service_id uuid, provider_ids uuid[]
SELECT subject_id, max(assigned_at) AS assigned_at
FROM appointment_subject
WHERE organization_id = $1 AND service_id = $2 AND subject_id = ANY($3) AND NOT is_named
GROUP BY subject_id;
