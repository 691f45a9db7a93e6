-- Names are sorted as people sort, on every server alike: first by letters, then by accents, then by case, so that
-- “Ärztin” comes before “back”, and “zebra” beside “Zebra”. A collation of the server's can't do so: those of its C library
-- differ from system to system, and not every PostgreSQL is built with ICU. Here nothing depends on a locale.

-- The three parts are compared byte by byte, one after the other; chr(1) is before every character of a name. Each part is
-- cut to 200 characters, so that a key fits into an index (2,704 bytes).
CREATE FUNCTION name_sort_key(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN left(
        -- letters: without accents, small
        lower(replace(replace(replace(replace(translate(
            regexp_replace(normalize(name, NFKD), '[\u0300-\u036f]', '', 'g'),
            'ØøŁłĐđÐðĦħıΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩςАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЄІҐЂЈЉЊЋЏ',
            'oollddddhhiαβγδεζηθικλμνξοπρστυφχψωσабвгдежзиклмнопрстуфхцчшщъыьэюяєіґђјљњћџ'
        ), 'ß', 'ss'), 'ẞ', 'ss'), 'Æ', 'ae'), 'æ', 'ae') COLLATE "C"), 200
    ) || chr(1) || left(
        -- accents: with them, small
        lower(normalize(name, NFD) COLLATE "C"), 200
    ) || chr(1) || left(
        -- case: small before capital
        translate(
            name,
            'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
            'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
        ), 200
    );

ALTER TABLE provider
    ADD COLUMN name_sort text COLLATE "C" GENERATED ALWAYS AS (name_sort_key(name)) STORED NOT NULL;

ALTER TABLE service
    ADD COLUMN name_sort text COLLATE "C" GENERATED ALWAYS AS (name_sort_key(name)) STORED NOT NULL;

-- The provider list, paged by keyset.
DROP INDEX provider_by_name;
CREATE INDEX provider_by_name ON provider (organization_id, name_sort, id);
