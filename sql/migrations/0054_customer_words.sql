-- Customers that staff find by words and make themselves, and the organization's own id of a customer. Words are kept by
-- triggers, so that those of records which earlier programs write are found as well. The constraints are checked for new
-- rows from here on, and for those that are there by 0055, which fills the words.
-- Blocks changes of customers and appointments for an instant; reading goes on, but while a column is added.

ALTER TABLE customer ADD COLUMN external_id text;
ALTER TABLE customer
    ADD CONSTRAINT customer_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 255) NOT VALID;
-- Made by staff, who may make several with one address: a family's, say. No guest's booking joins one.
ALTER TABLE customer ADD COLUMN made_by_staff boolean NOT NULL DEFAULT false;
-- Made by this provider, who sees it before its first visit with them.
ALTER TABLE customer ADD COLUMN made_by_provider uuid;
ALTER TABLE customer
    ADD CONSTRAINT customer_made_by_provider_fkey FOREIGN KEY (organization_id, made_by_provider)
    REFERENCES provider (organization_id, id) NOT VALID;
ALTER TABLE customer
    ADD CONSTRAINT customer_provider_is_staff CHECK (made_by_provider IS NULL OR made_by_staff) NOT VALID;

-- The words of a text, in order, by which it is found and which find it: without accents, small. Digits make one word,
-- however they are grouped; 00 is the plus of a phone number, and (0) is not dialled with one.
CREATE FUNCTION search_words(said text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN array_remove(regexp_split_to_array(
    regexp_replace(regexp_replace(
        -- The letters of a name as it is sorted.
        replace(split_part(name_sort_key(said), chr(1), 1), '(0)', ''),
        '([0-9])[-+ ./()]+(?=[0-9])', '\1', 'g'
    ), '(^|[^a-z0-9])00(?=[1-9])', '\1', 'g'),
    -- Whatever is neither a letter nor a digit in ASCII, Latin 1, and Unicode's blocks of punctuation. No locale decides.
    '[\u0001-\u002f\u003a-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+'
), '');

-- The words by which somebody is found. A phone number (E.164) is found with its country code, without it, and with a zero
-- in its place, as most of the world dials at home. No country code is the beginning of another.
CREATE FUNCTION contact_words(name text, email text, phone text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN search_words(name) || coalesce(search_words(email), '{}') || coalesce((
    SELECT ARRAY[substr(phone, 2), home, '0' || home]
    FROM regexp_replace(
        phone,
        '^\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(2[1-689]|3[578]|42|5[09]|6[7-9]|8[0357-9]|9[679])[0-9])',
        ''
    ) AS home
    WHERE phone IS NOT NULL
), '{}');

-- The index of customers' words. For each word of a customer there is a row that begins with it and goes on with all words
-- of the customer, the name first; and one that begins with a space, for the list by name. One range of this key holds, in
-- order, whoever has a word that begins so, and shows their other words without a look at their record.
-- There is one set of rows for each reader: the organization itself, which knows the record and every contact that was
-- given at booking, and each provider who serves the customer, which knows the contacts that were given for their visits.
CREATE TABLE customer_word (
    organization_id uuid NOT NULL,
    reader_id uuid NOT NULL,
    line text COLLATE "C" NOT NULL,
    customer_id uuid NOT NULL,
    CONSTRAINT customer_word_pkey PRIMARY KEY (organization_id, reader_id, line, customer_id)
);
CREATE INDEX customer_word_by_customer ON customer_word (organization_id, customer_id);

-- Writes the rows of a customer as they should be now; none for one who was erased.
CREATE FUNCTION remember_customer(of_organization uuid, of_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Two transactions that write about one customer take turns, and the second one sees what the first one wrote.
    PERFORM FROM customer WHERE organization_id = of_organization AND id = of_customer FOR NO KEY UPDATE;
    WITH person AS (
        SELECT name, email, phone, made_by_provider
        FROM customer
        WHERE organization_id = of_organization AND id = of_customer AND erased_at IS NULL
    ), visit AS (
        SELECT contact_name, contact_email, contact_phone, created_at, coalesce(provider_ids, ARRAY[provider_id]) AS provider_ids
        FROM appointment
        WHERE organization_id = of_organization AND customer_id = of_customer AND EXISTS (SELECT FROM person)
    ), contact (reader_id, given_at, words) AS (
        SELECT reader_id, timestamptz 'infinity', contact_words(name, email, phone)
        FROM person
        CROSS JOIN unnest(ARRAY[of_organization, made_by_provider]) AS reader (reader_id)
        WHERE reader_id IS NOT NULL
        UNION ALL
        SELECT reader_id, max(created_at), contact_words(contact_name, contact_email, contact_phone)
        FROM visit
        CROSS JOIN unnest(of_organization || provider_ids) AS reader (reader_id)
        GROUP BY reader_id, contact_name, contact_email, contact_phone
    ), placed AS (
        SELECT contact.reader_id, each.word, row_number() OVER (
                PARTITION BY contact.reader_id ORDER BY contact.given_at DESC, contact.words, each.place
            ) AS place
        FROM contact
        CROSS JOIN unnest(contact.words) WITH ORDINALITY AS each (word, place)
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

CREATE FUNCTION customer_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM remember_customer(NEW.organization_id, NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER customer_inserted AFTER INSERT ON customer
    FOR EACH ROW EXECUTE FUNCTION customer_written();
CREATE TRIGGER customer_updated AFTER UPDATE ON customer
    FOR EACH ROW
    WHEN ((OLD.name, OLD.email, OLD.phone, OLD.erased_at) IS DISTINCT FROM (NEW.name, NEW.email, NEW.phone, NEW.erased_at))
    EXECUTE FUNCTION customer_written();

CREATE FUNCTION appointment_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    readers uuid[] := NEW.organization_id || coalesce(NEW.provider_ids, ARRAY[NEW.provider_id]);
BEGIN
    -- Most who book again give the same contact, and are known by it already.
    IF TG_OP = 'INSERT' AND (
        SELECT count(*)
        FROM customer_word
        WHERE organization_id = NEW.organization_id AND customer_id = NEW.customer_id AND reader_id = ANY(readers)
            AND starts_with(line, ' ')
            AND line || ' ' LIKE ALL (ARRAY(
                SELECT '% ' || word || ' %'
                FROM unnest(contact_words(NEW.contact_name, NEW.contact_email, NEW.contact_phone)) AS each (word)
            ))
    ) = cardinality(readers) THEN
        RETURN NULL;
    END IF;
    PERFORM remember_customer(NEW.organization_id, NEW.customer_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER appointment_inserted AFTER INSERT ON appointment
    FOR EACH ROW EXECUTE FUNCTION appointment_written();
CREATE TRIGGER appointment_updated AFTER UPDATE ON appointment
    FOR EACH ROW
    WHEN (
        (OLD.provider_id, OLD.provider_ids, OLD.contact_name, OLD.contact_email, OLD.contact_phone)
        IS DISTINCT FROM (NEW.provider_id, NEW.provider_ids, NEW.contact_name, NEW.contact_email, NEW.contact_phone)
    )
    EXECUTE FUNCTION appointment_written();
