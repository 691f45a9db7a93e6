-- The rows of the history that were there before; writers go on meanwhile.
ALTER TABLE appointment_history
    VALIDATE CONSTRAINT appointment_history_transition_known;
