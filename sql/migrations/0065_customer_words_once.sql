-- A guest's first booking writes the customer and the appointment in one statement, and the trigger of the appointment
-- fires first: it finds the words of both. The customer's did the same again.
--
-- Functions in SQL that are not inlined are planned again in every statement; those in PL/pgSQL once for each connection.

CREATE OR REPLACE FUNCTION search_words(said text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
    RETURN array_remove(regexp_split_to_array(
        regexp_replace(regexp_replace(
            -- The letters of a name as it is sorted.
            replace(split_part(name_sort_key(said), chr(1), 1), '(0)', ''),
            '([0-9])[-+ ./()]+(?=[0-9])', '\1', 'g'
        ), '(^|[^a-z0-9])00(?=[1-9])', '\1', 'g'),
        -- Whatever is neither a letter nor a digit in ASCII, Latin 1, and Unicode's blocks of punctuation. No locale decides.
        '[\u0001-\u002f\u003a-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+'
    ), '');
END
$$;


CREATE OR REPLACE FUNCTION customer_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The trigger of its appointment, which fires first, has found all words already.
    IF TG_OP = 'INSERT' AND EXISTS (
        SELECT FROM customer_word WHERE organization_id = NEW.organization_id AND customer_id = NEW.id
    ) THEN
        RETURN NULL;
    END IF;
    PERFORM remember_customer(NEW.organization_id, NEW.id);
    RETURN NULL;
END
$$;
