"""What runs when, in UTC; one line a job. With several workers each run happens once, unless one
dies in the middle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arq import cron

from app.jobs.calendar import complete_what_ended, sweep_expired_holds
from app.jobs.feeds import read_feeds
from app.jobs.messages import send_messages
from app.jobs.purge import (
    purge_busy_times,
    purge_claims,
    purge_erased_history,
    purge_events,
    purge_holds,
    purge_idempotency_keys,
    purge_messages,
    purge_revoked_tokens,
    purge_seats,
    purge_tallies,
)
from app.jobs.watched import watched

if TYPE_CHECKING:
    from arq.cron import CronJob
    from arq.typing import WorkerCoroutine


def _job(job: WorkerCoroutine, **when: Any) -> CronJob:  # noqa: ANN401  arq's own words for it
    name = job.__qualname__
    return cron(watched(job, name), name=name, **when)


CRON_JOBS: Final[tuple[CronJob, ...]] = (
    _job(send_messages, second=0, run_at_startup=True),
    _job(complete_what_ended, second=5),
    _job(sweep_expired_holds, second=35),
    _job(read_feeds, second=20),
    _job(purge_idempotency_keys, minute=17),
    _job(purge_holds, minute=22),
    _job(purge_claims, minute=27),
    _job(purge_seats, minute=30),
    _job(purge_messages, minute=32),
    _job(purge_revoked_tokens, minute=37),
    _job(purge_events, minute=47),
    _job(purge_busy_times, minute=57),
    _job(purge_tallies, hour=3, minute=52),
    _job(purge_erased_history, hour=3, minute=42),
)

MESSAGE_JOBS: Final = ("send_messages",)
"""The jobs that an appointment's change brings forward."""

FEED_JOBS: Final = ("read_feeds",)
"""The jobs that a new calendar feed brings forward."""
