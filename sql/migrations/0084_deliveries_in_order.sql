-- transaction: each statement
-- Deliveries to a webhook are read from an index in the order in which they are due. One that waits for an earlier one of its
-- subject is due later: without an end ('infinity') until the earlier one was tried. Blocks nobody.

-- An index whose building was interrupted is there, and invalid: it is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS webhook_delivery_in_order;

CREATE INDEX CONCURRENTLY webhook_delivery_in_order
    ON webhook_delivery (organization_id, webhook_id, next_attempt_at, epoch, transaction_id, event_id)
    WHERE (status = 'PENDING');

DROP INDEX CONCURRENTLY IF EXISTS webhook_delivery_by_hand;

CREATE INDEX CONCURRENTLY webhook_delivery_by_hand ON webhook_delivery (organization_id, webhook_id, next_attempt_at, id)
    WHERE (status = 'PENDING' AND by_hand);

DROP INDEX CONCURRENTLY IF EXISTS webhook_delivery_due;
