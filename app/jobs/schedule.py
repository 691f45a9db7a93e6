"""What runs when, in UTC; one line a job. With several workers each run happens once, unless one dies in the middle."""

from __future__ import annotations

from typing import Final

from arq import cron
from arq.cron import CronJob

from app.jobs.calendar import complete_what_ended, sweep_expired_holds
from app.jobs.purge import (
    purge_claims,
    purge_erased_history,
    purge_holds,
    purge_idempotency_keys,
    purge_messages,
    purge_revoked_tokens,
)
from app.jobs.reminders import send_messages

CRON_JOBS: Final[tuple[CronJob, ...]] = (
    cron(send_messages, name="send_messages", second=0, run_at_startup=True),
    cron(complete_what_ended, name="complete_what_ended", second=5),
    cron(sweep_expired_holds, name="sweep_expired_holds", second=35),
    cron(purge_idempotency_keys, name="purge_idempotency_keys", minute=17),
    cron(purge_holds, name="purge_holds", minute=22),
    cron(purge_claims, name="purge_claims", minute=27),
    cron(purge_messages, name="purge_messages", minute=32),
    cron(purge_revoked_tokens, name="purge_revoked_tokens", minute=37),
    cron(purge_erased_history, name="purge_erased_history", hour=3, minute=42),
)

MESSAGE_JOBS: Final = ("send_messages",)
"""The jobs that an appointment's change brings forward."""
