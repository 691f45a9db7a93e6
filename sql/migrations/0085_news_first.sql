-- transaction: each statement
-- News is found without reading the reminders that are due, of which there may be a hundred thousand. Blocks nobody.

-- An index whose building was interrupted is there, and invalid: it is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS message_outbox_news;

CREATE INDEX CONCURRENTLY message_outbox_news ON message_outbox (due_at) WHERE (kind NOT LIKE '%BEFORE%');

DROP INDEX CONCURRENTLY IF EXISTS reminder_log_news_waiting;

CREATE INDEX CONCURRENTLY reminder_log_news_waiting ON reminder_log (lease_until)
    WHERE (status = 'PENDING' AND kind NOT LIKE '%BEFORE%');
