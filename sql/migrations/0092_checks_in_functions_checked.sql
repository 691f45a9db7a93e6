-- transaction: each statement
-- Checks what 0091 left to check, and the constraints before it had. Blocks nobody.

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_sound;

ALTER TABLE claim VALIDATE CONSTRAINT claim_sound;

ALTER TABLE customer VALIDATE CONSTRAINT customer_sound;
