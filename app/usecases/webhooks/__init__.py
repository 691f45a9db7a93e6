"""Webhooks: settings, the log of deliveries, and the worker's delivery of events.

States of a delivery, and who changes them:

    PENDING ──2xx──▶ DELIVERED
    PENDING ──another answer, or none──▶ PENDING, after a pause
    PENDING ──the same at the last try, by 410, or sent by hand──▶ FAILED
    DELIVERED, FAILED ──redeliver──▶ PENDING, by hand

One worker at a time has the lease on a webhook. It alone moves the webhook's place in the log of
events, makes deliveries of what it reads, sends them and records the outcome. Each of its writes
names the number of its lease, so writes of a worker that has lost it are dropped. A delivery that
was sent but not recorded is sent again: delivery is at least once. A change of a webhook's settings
ends the lease.
"""
