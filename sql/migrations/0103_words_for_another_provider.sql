-- A customer who books with another provider for the first time, and gives a contact that the organization
-- knows: that provider gets the words of this visit. All visits of the customer were read again for it, so it
-- took longer with each. Blocks nobody.

CREATE OR REPLACE FUNCTION appointment_written() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    readers uuid[] := NEW.organization_id || coalesce(NEW.provider_ids, ARRAY[NEW.provider_id]);
    words text[];
    of_customer bigint;
    with_all_words bigint;
    with_any uuid[];
    without_any uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        words := contact_words(NEW.contact_name, NEW.contact_email, NEW.contact_phone);
        SELECT count(*), count(*) FILTER (
                WHERE reader_id = ANY (readers) AND starts_with(line, ' ') AND string_to_array(line, ' ') @> words
            )
        INTO of_customer, with_all_words
        FROM customer_word
        WHERE organization_id = NEW.organization_id AND customer_id = NEW.customer_id;
        -- Most who book again give the same contact, and are known by it already.
        IF with_all_words = cardinality(readers) THEN
            RETURN NULL;
        END IF;
        -- Nobody else sees a customer whom this transaction has made, so nobody else writes their words.
        IF of_customer = 0 THEN
            INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
            SELECT customer.organization_id, reader.id, each.line, customer.id
            FROM customer
            CROSS JOIN unnest(readers) AS reader (id)
            CROSS JOIN unnest(word_lines(words)) AS each (line)
            WHERE customer.organization_id = NEW.organization_id
                AND customer.id = NEW.customer_id
                AND customer.xmin = pg_current_xact_id()::xid
                AND customer.name = NEW.contact_name
                AND customer.email IS NOT DISTINCT FROM NEW.contact_email
                AND customer.phone IS NOT DISTINCT FROM NEW.contact_phone
                AND customer.made_by_provider IS NULL
                AND customer.erased_at IS NULL;
            IF FOUND THEN
                RETURN NULL;
            END IF;
        ELSE
            -- As in remember_customer, those who write about one customer take turns.
            PERFORM
            FROM customer
            WHERE organization_id = NEW.organization_id AND id = NEW.customer_id AND erased_at IS NULL
            FOR NO KEY UPDATE;
            -- Not by groups of readers: PostgreSQL might then read the words of all customers in the order of readers.
            SELECT coalesce(array_agg(reader_id) FILTER (WHERE starts_with(line, ' ')), '{}'), count(*) FILTER (
                    WHERE reader_id = ANY (readers) AND starts_with(line, ' ') AND string_to_array(line, ' ') @> words
                )
            INTO with_any, with_all_words
            FROM customer_word
            WHERE organization_id = NEW.organization_id AND customer_id = NEW.customer_id;
            without_any := ARRAY(SELECT id FROM unnest(readers) AS reader (id) WHERE id <> ALL (with_any));
            IF with_all_words + cardinality(without_any) = cardinality(readers) THEN
                INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
                SELECT customer.organization_id, reader.id, each.line, customer.id
                FROM customer
                CROSS JOIN unnest(without_any) AS reader (id)
                CROSS JOIN unnest(word_lines(words)) AS each (line)
                WHERE customer.organization_id = NEW.organization_id AND customer.id = NEW.customer_id;
                RETURN NULL;
            END IF;
        END IF;
    END IF;
    PERFORM remember_customer(NEW.organization_id, NEW.customer_id);
    RETURN NULL;
END
$$;
