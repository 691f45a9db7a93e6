-- name: id_by_external_id :maybe
-- The thing of this type that has an organization's own id.
-- params: organization_id uuid, type text, external_id text
SELECT id FROM provider WHERE organization_id = $1 AND $2::text = 'PROVIDER' AND external_id = $3
UNION ALL
SELECT id FROM service WHERE organization_id = $1 AND $2 = 'SERVICE' AND external_id = $3
UNION ALL
SELECT id FROM resource WHERE organization_id = $1 AND $2 = 'RESOURCE' AND external_id = $3
UNION ALL
SELECT id FROM location WHERE organization_id = $1 AND $2 = 'LOCATION' AND external_id = $3
UNION ALL
SELECT id FROM customer WHERE organization_id = $1 AND $2 = 'CUSTOMER' AND external_id = $3
UNION ALL
SELECT id FROM appointment WHERE organization_id = $1 AND $2 = 'APPOINTMENT' AND external_id = $3;
