-- What has served is found without reading what has not: each purge and each sweep has an index that holds its own rows.

-- The claims of a hold, active or not: they go with it.
CREATE INDEX claim_by_hold ON claim (organization_id, hold_id) WHERE (hold_id IS NOT NULL);
-- The sweep of expired holds; it holds those that still have a claim, so the sweep does not read a week of old ones.
CREATE INDEX claim_of_expiring_hold ON claim (expires_at) WHERE (active AND hold_id IS NOT NULL);
-- Times that were given back, or moved away from.
CREATE INDEX claim_given_back ON claim (claimed_until) WHERE (NOT active);
-- The log of messages by age.
CREATE INDEX reminder_log_by_age ON reminder_log (created_at);
-- Erased customers, whose appointments' history goes later.
CREATE INDEX customer_erased ON customer (erased_at) WHERE (erased_at IS NOT NULL);
