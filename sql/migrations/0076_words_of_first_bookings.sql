-- The words of a guest's first booking without the detour over everything that is known of them: the customer and the
-- appointment have one contact, and nobody else has seen the customer yet. As in 0054 and 0069 otherwise. Blocks nobody.
--
-- A plan that was made while a table was small stays with its connection: once the table has grown, each booking would
-- read all of it. So these functions read by an index always.

CREATE OR REPLACE FUNCTION search_words(said text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
    RETURN array_remove(regexp_split_to_array(
        regexp_replace(regexp_replace(
            replace(split_part(
                -- The letters of a name as it is sorted. Those of ASCII have neither accents nor ligatures.
                CASE
                    WHEN octet_length(said) = char_length(said) THEN left(lower(said COLLATE "C"), 200)
                    ELSE name_sort_key(said)
                END, chr(1), 1
            ), '(0)', ''),
            '([0-9])[-+ ./()]+(?=[0-9])', '\1', 'g'
        ), '(^|[^a-z0-9])00(?=[1-9])', '\1', 'g'),
        -- Whatever is neither a letter nor a digit in ASCII, Latin 1, and Unicode's blocks of punctuation. No locale decides.
        '[\u0001-\u002f\u003a-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+'
    ), '');
END
$$;

CREATE OR REPLACE FUNCTION contact_words(name text, email text, phone text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    words text[] := search_words(name) || coalesce(search_words(email), '{}');
    home text;
BEGIN
    IF phone IS NOT NULL THEN
        home := regexp_replace(
            phone,
            '^\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(2[1-689]|3[578]|42|5[09]|6[7-9]|8[0357-9]|9[679])[0-9])',
            ''
        );
        words := words || ARRAY[substr(phone, 2), home, '0' || home];
    END IF;
    RETURN words;
END
$$;

-- The rows of one who has these words: all of them in their order after a space, and after each of them.
CREATE FUNCTION word_lines(words text[]) RETURNS text[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
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
        lines := lines || CASE WHEN octet_length(line) > 600 THEN left(line, 150) ELSE line END;
    END LOOP;
    RETURN lines;
END
$$;

CREATE OR REPLACE FUNCTION remember_customer(of_organization uuid, of_customer uuid) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
    -- Two transactions that write about one customer take turns, and the second one sees what the first one wrote.
    PERFORM FROM customer WHERE organization_id = of_organization AND id = of_customer FOR NO KEY UPDATE;
    WITH person AS (
        SELECT name, email, phone, made_by_provider
        FROM customer
        WHERE organization_id = of_organization AND id = of_customer AND erased_at IS NULL
    ), given (reader_id, given_at, name, email, phone) AS (
        SELECT reader_id, timestamptz 'infinity', name, email, phone
        FROM person
        CROSS JOIN unnest(ARRAY[of_organization, made_by_provider]) AS reader (reader_id)
        WHERE reader_id IS NOT NULL
        UNION ALL
        SELECT reader_id, created_at, contact_name, contact_email, contact_phone
        FROM appointment
        CROSS JOIN unnest(of_organization || coalesce(provider_ids, ARRAY[provider_id])) AS reader (reader_id)
        WHERE organization_id = of_organization AND customer_id = of_customer AND EXISTS (SELECT FROM person)
    ), contact AS MATERIALIZED (
        SELECT name, email, phone, contact_words(name, email, phone) AS words
        FROM (SELECT DISTINCT name, email, phone FROM given) AS once
    ), known AS (
        SELECT given.reader_id, contact.words, max(given.given_at) AS given_at
        FROM given
        JOIN contact
            ON contact.name = given.name
            AND contact.email IS NOT DISTINCT FROM given.email
            AND contact.phone IS NOT DISTINCT FROM given.phone
        GROUP BY given.reader_id, contact.words
    ), reader AS (
        SELECT known.reader_id,
            word_lines(array_agg(each.word ORDER BY known.given_at DESC, known.words, each.place)) AS lines
        FROM known
        CROSS JOIN unnest(known.words) WITH ORDINALITY AS each (word, place)
        GROUP BY known.reader_id
    ), line AS (
        SELECT DISTINCT reader.reader_id, each.line
        FROM reader
        CROSS JOIN unnest(reader.lines) AS each (line)
    ), gone AS (
        DELETE FROM customer_word
        WHERE organization_id = of_organization AND customer_id = of_customer
            AND NOT EXISTS (
                SELECT FROM line WHERE line.reader_id = customer_word.reader_id AND line.line = customer_word.line
            )
    )
    INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
    SELECT of_organization, reader_id, line, of_customer FROM line
    ON CONFLICT DO NOTHING;
END
$$;

CREATE OR REPLACE FUNCTION appointment_written() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
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
        -- The words of a customer are written in the transaction that writes the customer. One without any is written by
        -- this statement, with this appointment: nobody else can write theirs.
        IF of_customer = 0 THEN
            INSERT INTO customer_word (organization_id, reader_id, line, customer_id)
            SELECT customer.organization_id, reader.id, each.line, customer.id
            FROM customer
            CROSS JOIN unnest(readers) AS reader (id)
            CROSS JOIN unnest(word_lines(words)) AS each (line)
            WHERE customer.organization_id = NEW.organization_id
                AND customer.id = NEW.customer_id
                AND customer.name = NEW.contact_name
                AND customer.email IS NOT DISTINCT FROM NEW.contact_email
                AND customer.phone IS NOT DISTINCT FROM NEW.contact_phone
                AND customer.made_by_provider IS NULL
                AND customer.erased_at IS NULL
            ON CONFLICT DO NOTHING;
            IF FOUND THEN
                RETURN NULL;
            END IF;
        END IF;
    END IF;
    PERFORM remember_customer(NEW.organization_id, NEW.customer_id);
    RETURN NULL;
END
$$;

ALTER FUNCTION customer_written() SET enable_seqscan = off;

-- Planning it costs several times what it takes to run, and there is one good plan, whatever is asked for.
ALTER FUNCTION claims_under_lock(uuid, bigint[], uuid[], integer, integer, integer) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION claims_under_lock(uuid, bigint[], uuid[], integer, integer, integer) SET enable_seqscan = off;
