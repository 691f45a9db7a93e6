"""The program without its advisory locks on calendars and rules: what is left is the constraint. For the races only."""

from __future__ import annotations

import sys
from dataclasses import replace

from app import __main__ as program
from app.store import locks

if __name__ == "__main__":
    locks._LOCK_EACH = replace(locks._LOCK_EACH, sql="SELECT unnest($1::bigint[])")
    locks._LOCK_SHARED = replace(locks._LOCK_SHARED, sql="SELECT $1::bigint")
    sys.exit(program.main())
