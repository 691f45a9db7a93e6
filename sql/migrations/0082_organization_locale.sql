-- The language of the mails to an organization itself, about its settings. What is there already has none: English, as
-- before. Blocks reading and changing of organizations for an instant: the table is small.

ALTER TABLE organization ADD COLUMN locale text;
ALTER TABLE organization
    ADD CONSTRAINT organization_locale_length CHECK (char_length(locale) BETWEEN 2 AND 35);
