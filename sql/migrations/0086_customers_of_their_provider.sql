-- transaction: each statement
-- Which customers a provider made, without reading the customers' rows. Blocks nobody.

-- An index whose building was interrupted is there, and invalid: it is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS customer_by_maker;

CREATE INDEX CONCURRENTLY customer_by_maker ON customer (organization_id, made_by_provider, id)
    WHERE (made_by_provider IS NOT NULL);
