-- The sweep ends holds that have expired, once each, whether their time was taken by somebody else meanwhile or not.
CREATE INDEX hold_to_end ON hold (expires_at) WHERE (ended_at IS NULL);
DROP INDEX claim_of_expiring_hold;
