"""What runs when, in UTC; one line a job. With several workers each run happens once, unless one dies in the middle."""

from __future__ import annotations

from typing import Final

from arq import cron
from arq.cron import CronJob

from app.jobs.calendar import complete_what_ended, sweep_expired_holds
from app.jobs.purge import purge_idempotency_keys
from app.jobs.reminders import send_messages

CRON_JOBS: Final[tuple[CronJob, ...]] = (
    cron(send_messages, name="send_messages", second=0),
    cron(complete_what_ended, name="complete_what_ended", second=5),
    cron(sweep_expired_holds, name="sweep_expired_holds", second=35),
    cron(purge_idempotency_keys, name="purge_idempotency_keys", minute=17),
)

MESSAGE_JOBS: Final = ("send_messages",)
"""The jobs that an appointment's change brings forward."""
