-- Customers: one record for each signed-in subject, and one for all guests of an organization who give the same e-mail.

CREATE TABLE customer (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    subject text,
    name text NOT NULL,
    email text,
    phone text,
    time_zone text NOT NULL,
    locale text,
    created_at timestamptz NOT NULL,
    erased_at timestamptz,
    CONSTRAINT customer_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT customer_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT customer_subject_key UNIQUE (organization_id, subject),
    CONSTRAINT customer_subject_length CHECK (char_length(subject) BETWEEN 1 AND 255),
    CONSTRAINT customer_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT customer_email_length CHECK (char_length(email) BETWEEN 3 AND 254),
    CONSTRAINT customer_phone_form CHECK (phone ~ '^\+[0-9]{3,15}$'),
    CONSTRAINT customer_time_zone_length CHECK (char_length(time_zone) BETWEEN 1 AND 64),
    CONSTRAINT customer_locale_length CHECK (char_length(locale) BETWEEN 2 AND 35)
);

-- Guests with one e-mail are one customer; an account (a row with a subject) is never joined by a guest's booking.
CREATE UNIQUE INDEX customer_guest_email_key ON customer (organization_id, lower(email)) WHERE subject IS NULL;
-- Guests known by their phone number only.
CREATE UNIQUE INDEX customer_guest_phone_key ON customer (organization_id, phone) WHERE subject IS NULL AND email IS NULL;
