-- transaction: each statement
-- Checks what 0058 left to check. Blocks nobody.

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_policy_grace_range;
