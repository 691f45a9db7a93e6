-- A new guest's words are written once, by the trigger of the appointment that comes with them, and
-- without asking of each row whether it is there. Blocks writers of customers for an instant.

-- No line twice, though two long ones may be the same where they are cut.
CREATE OR REPLACE FUNCTION word_lines(words text[]) RETURNS text[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    known text[] := '{}';
    word text;
    all_words text;
    line text;
    lines text[] := '{}';
BEGIN
    FOREACH word IN ARRAY words LOOP
        IF word <> ALL (known) THEN
            known := known || word;
        END IF;
    END LOOP;
    IF known = '{}' THEN
        RETURN known;
    END IF;
    all_words := ' ' || array_to_string(known, ' ');
    FOREACH word IN ARRAY ''::text || known LOOP
        line := left(word || all_words, 600);
        -- Cut so that a line fits into a cursor. What is cut off is still found by its own row.
        IF octet_length(line) > 600 THEN
            line := left(line, 150);
        END IF;
        IF line <> ALL (lines) THEN
            lines := lines || line;
        END IF;
    END LOOP;
    RETURN lines;
END
$$;

CREATE OR REPLACE FUNCTION appointment_written() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    readers uuid[] := NEW.organization_id || coalesce(NEW.provider_ids, ARRAY[NEW.provider_id]);
    words text[];
    of_customer bigint;
    with_all_words bigint;
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
        END IF;
    END IF;
    PERFORM remember_customer(NEW.organization_id, NEW.customer_id);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION customer_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM remember_customer(NEW.organization_id, NEW.id);
    RETURN NULL;
END
$$;

-- Others come with their first appointment, whose trigger finds all words.
DROP TRIGGER customer_inserted ON customer;
CREATE TRIGGER customer_inserted AFTER INSERT ON customer
    FOR EACH ROW WHEN (NEW.made_by_staff) EXECUTE FUNCTION customer_written();
