-- An organization's own words for a kind of message, a recipient and a language. A null part is the built-in one.

CREATE TABLE message_template (
    organization_id uuid NOT NULL,
    kind text NOT NULL,
    recipient text NOT NULL,
    language text NOT NULL,
    subject text,
    body_text text,
    body_html text,
    sms text,
    updated_at timestamptz NOT NULL,
    CONSTRAINT message_template_pkey PRIMARY KEY (organization_id, kind, recipient, language),
    CONSTRAINT message_template_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT message_template_kind_known CHECK (
        kind IN ('BOOKED', 'RESCHEDULED', 'CANCELLED', 'DAY_BEFORE', 'HOUR_BEFORE')
    ),
    CONSTRAINT message_template_recipient_known CHECK (recipient IN ('CUSTOMER', 'PROVIDER')),
    CONSTRAINT message_template_language_known CHECK (language IN ('en', 'de', 'fr', 'es')),
    CONSTRAINT message_template_says_something CHECK (num_nonnulls(subject, body_text, body_html, sms) > 0),
    CONSTRAINT message_template_length CHECK (
        char_length(subject) <= 65536 AND char_length(body_text) <= 65536
        AND char_length(body_html) <= 65536 AND char_length(sms) <= 65536
    )
);
