"""How the program's log lines look: one line an event, to standard error, in UTC, without personal data."""

from __future__ import annotations

import logging
import time


def configure_logs() -> None:
    """For a process of its own; nothing calls it at import."""
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Their every step at INFO says nothing that ours does not.
    for chatty in ("httpx", "arq.worker", "arq.jobs"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
