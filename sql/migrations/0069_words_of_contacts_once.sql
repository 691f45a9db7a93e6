-- As in 0054, but the words of a contact are made once, however many visits it was given for. Blocks nobody.

CREATE OR REPLACE FUNCTION remember_customer(of_organization uuid, of_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
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
    ), placed AS (
        SELECT known.reader_id, each.word, row_number() OVER (
                PARTITION BY known.reader_id ORDER BY known.given_at DESC, known.words, each.place
            ) AS place
        FROM known
        CROSS JOIN unnest(known.words) WITH ORDINALITY AS each (word, place)
    ), word AS (
        SELECT reader_id, word, min(place) AS place FROM placed GROUP BY reader_id, word
    ), all_words AS (
        SELECT reader_id, string_agg(word, ' ' ORDER BY place) AS words FROM word GROUP BY reader_id
    ), whole (reader_id, line) AS (
        SELECT reader_id, ' ' || words FROM all_words
        UNION ALL
        SELECT reader_id, word.word || ' ' || all_words.words FROM word JOIN all_words USING (reader_id)
    ), line AS (
        -- Cut so that a line fits into a cursor. What is cut off is still found by its own row.
        SELECT DISTINCT reader_id, left(line, CASE WHEN octet_length(left(line, 600)) > 600 THEN 150 ELSE 600 END) AS line
        FROM whole
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
