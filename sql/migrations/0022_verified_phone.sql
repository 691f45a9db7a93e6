-- Text messages cost money, and whoever fills in a form may name anybody's phone. So they go to numbers that somebody
-- vouches for, unless the organization has them go to any.

ALTER TABLE organization
    ADD COLUMN sms_to_unverified_numbers boolean NOT NULL DEFAULT false;

-- The numbers that somebody vouches for: the organization's staff, who set them, or a customer's identity provider.
CREATE TABLE verified_phone (
    organization_id uuid NOT NULL,
    phone text NOT NULL,
    verified_at timestamptz NOT NULL,
    CONSTRAINT verified_phone_pkey PRIMARY KEY (organization_id, phone),
    CONSTRAINT verified_phone_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT verified_phone_form CHECK (phone ~ '^\+[0-9]{3,15}$')
);
