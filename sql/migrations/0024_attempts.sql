-- An attempt to send leaves its trace before it begins, for mail as for text messages: whoever finds `wire_since` on a row
-- whose lease is over knows that the message may have arrived. Only text messages keep their words, by which the gateway is
-- asked for them.

ALTER TABLE reminder_log DROP CONSTRAINT reminder_log_wire_whole;
ALTER TABLE reminder_log ADD CONSTRAINT reminder_log_wire_whole CHECK (
    (wire_text IS NULL OR wire_since IS NOT NULL) AND (wire_since IS NULL OR status = 'PENDING')
);
