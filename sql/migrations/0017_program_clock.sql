-- The test clock of development: how far the program's *now* is ahead of the real one. One row where there is one at all;
-- a program that was not started with a test clock never reads it.

CREATE TABLE program_clock (
    is_only boolean NOT NULL,
    ahead interval NOT NULL,
    CONSTRAINT program_clock_pkey PRIMARY KEY (is_only),
    CONSTRAINT program_clock_one_row CHECK (is_only)
);
