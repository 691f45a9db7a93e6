-- name: templates_of_organization :many
-- All of the organization's own templates, in a fixed order.
-- params: organization_id uuid
SELECT kind, recipient, language, subject, body_text, body_html, sms, updated_at
FROM message_template
WHERE organization_id = $1
ORDER BY kind, recipient, language;

-- name: put_template :exec
-- Store an organization's own template; it replaces an earlier one.
-- params: organization_id uuid, kind text, recipient text, language text, subject text, body_text text, body_html text, sms text, updated_at timestamptz
INSERT INTO message_template (organization_id, kind, recipient, language, subject, body_text, body_html, sms, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT ON CONSTRAINT message_template_pkey DO UPDATE
SET subject = excluded.subject, body_text = excluded.body_text, body_html = excluded.body_html,
    sms = excluded.sms, updated_at = excluded.updated_at;

-- name: delete_template :exec
-- Delete an organization's own template: the built-in one is used again.
-- params: organization_id uuid, kind text, recipient text, language text
DELETE FROM message_template
WHERE organization_id = $1 AND kind = $2 AND recipient = $3 AND language = $4;
