-- Whom and what the visit of an appointment takes, where that is more than one named provider; without rows it is the
-- appointment's provider alone, named by the customer. The rows survive cancellation, which takes the claims.
-- Blocks changes of appointments, services and subjects for an instant; reading goes on.

CREATE TABLE appointment_subject (
    organization_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    unit integer NOT NULL,
    -- Ascending: the lead, the other providers, the resources.
    position integer NOT NULL,
    -- By the customer or staff; the others were assigned.
    is_named boolean NOT NULL,
    -- The service that assigned them, and when.
    service_id uuid NOT NULL,
    assigned_at timestamptz NOT NULL,
    CONSTRAINT appointment_subject_pkey PRIMARY KEY (organization_id, appointment_id, subject_id, unit),
    CONSTRAINT appointment_subject_appointment_fkey FOREIGN KEY (organization_id, appointment_id)
        REFERENCES appointment (organization_id, id),
    CONSTRAINT appointment_subject_subject_fkey FOREIGN KEY (organization_id, subject_id)
        REFERENCES subject (organization_id, id),
    CONSTRAINT appointment_subject_service_fkey FOREIGN KEY (organization_id, service_id)
        REFERENCES service (organization_id, id),
    CONSTRAINT appointment_subject_unit_range CHECK (unit >= 1),
    CONSTRAINT appointment_subject_position_range CHECK (position >= 1)
);

-- When a service assigned a provider last.
CREATE INDEX appointment_subject_assigned ON appointment_subject (organization_id, service_id, subject_id, assigned_at)
    WHERE (NOT is_named);
