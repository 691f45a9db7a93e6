-- A subject is whatever has hours and time that can be taken: a provider or a resource. Hours and claims refer to
-- subjects, so that both kinds obey the same rules. A provider's subject has the provider's id.
--
-- Programs of 0.1.0 go on while this is applied: a trigger makes the subject of each provider that they insert. The
-- triggers of 0028 to 0030, the columns provider_id that only 0.1.0 reads, and their indexes go with the release after.
-- Blocks changes of providers for an instant; reading and booking go on.

CREATE TABLE subject (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    CONSTRAINT subject_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT subject_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT subject_kind_known CHECK (kind IN ('PROVIDER', 'RESOURCE'))
);

CREATE FUNCTION subject_for_provider() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO subject (organization_id, id, kind) VALUES (NEW.organization_id, NEW.id, 'PROVIDER')
    ON CONFLICT DO NOTHING;
    RETURN NEW;
END
$$;
-- Its lock lasts until the commit, so no provider is inserted between it and the copy below.
CREATE TRIGGER provider_inserted_by_0_1 BEFORE INSERT ON provider
    FOR EACH ROW EXECUTE FUNCTION subject_for_provider();

INSERT INTO subject (organization_id, id, kind)
SELECT organization_id, id, 'PROVIDER' FROM provider;

ALTER TABLE provider
    ADD CONSTRAINT provider_is_subject_fkey FOREIGN KEY (organization_id, id) REFERENCES subject (organization_id, id);

-- Rows that name a provider and no subject were written by 0.1.0: the provider is the subject.
CREATE FUNCTION subject_is_provider() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.subject_id := NEW.provider_id;
    RETURN NEW;
END
$$;
