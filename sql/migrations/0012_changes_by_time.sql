-- The history in the order of its writing: every process that has subscribers reads an organization's last minute of it
-- now and then, for the changes that it was never told of.

CREATE INDEX appointment_history_by_time
    ON appointment_history (organization_id, occurred_at, appointment_id, version);
