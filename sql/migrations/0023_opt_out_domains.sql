-- Digests of e-mail addresses are made of the domain as DNS knows it. Earlier ones were made of its own letters, folded, by
-- which "faß.de" and "fass.de" were one; they stay recognized, and are told apart by this.

ALTER TABLE message_opt_out ADD COLUMN domain_in_ascii boolean NOT NULL DEFAULT false;
