"""Free times as they are read: from this process or Redis where what they keep is current, else
computed from PostgreSQL, and kept.

The law (docs/scheduling-law.md, Caching): a read that starts after the answer to a change never
shows the list from before it, on any node. Redis may restart, lose writes, or be away; the answer
may then take longer, and is never wrong. Booking does not read here.

What is kept
    A *source* in this process, `calendars`: the calendar of a provider (hours, rules, exceptions)
    or of a resource (hours, exceptions, units), or a service with its needs.
    *Days* in Redis, `shared`, and in this process, `local`, by the *part* of a calendar that they
    belong to (`sources`): the stretches of possible starts on a date of the subject's zone under a
    shape (duration and buffers), and the holds on it; where limits are in force, the visits that
    start on a date. The grid, now, notice, horizon and the end of holds are applied on reading. A
    resource's stretches say how many units are possible, for each shape of its leads.

What it counts under
    Every subject and every service has a *stamp* in Redis, three parts of eight bytes:

        run     which run of the Redis server it was made under; see `connection`
        rules   random, other after every change of the hours, rules, services or units; of a
                service, of the service itself or its needs
        time    random, other after every change of the subject's appointments or holds

    The organization has a stamp too, for the list of its providers: another one after every edit of
    the practice.

    A source counts under the rules part that was seen before it was read from PostgreSQL. Days
    count under the whole stamp that was seen before their claims were read. A stamp of another run
    than the connection's counts for nothing, and neither does what was kept under it.

What a question goes through (`read`)

    ASKED       look: the stamp, and the days under it where the calendar is known     1 round trip
      ├ the calendar counts, all days are there                              → ANSWERED
      ├ the calendar counts, days are missing                                → MISSING
      ├ days are missing, and the calendar is too old or does not reach
      │ far enough to compute them: read it again                            → MISSING
      └ no calendar that counts: read it from PostgreSQL, look again                    1 round trip
          ├ all days are there                                               → ANSWERED
          └ days are missing; or the rules have changed again: then the
            calendar counts under the stamp that was seen first              → MISSING
    MISSING     pass the gate, read the claims, compute, keep                → ANSWERED
                the gate is full                                             → REFUSED

    Where Redis is away, or a question is too wide to keep, it is ASKED of PostgreSQL alone: without
    a stamp, nothing is shared or kept.

    Reading a calendar, computing days and reading sessions are *single flights* in a process: where
    one is under way under the very same stamp, a question waits for its outcome, a refusal too.

    A service has no days, so its question is answered where its needs count, or once they are read.

    The stamp is made on the way by a look for it alone. Where days are asked for and it has to be
    made (it has expired, or Redis was restarted), or local days are found to count no more, a look
    takes a second round trip.

What a service goes through (`services`): a question for its needs, then one for its providers,
whose rules say the shapes, then one for its resources, and last its sessions, where it has seats.
Each step asks for everything at once, so neither round trips nor statements grow with the number of
subjects. A listing of services first looks at all stamps in one round trip: under those, nothing
that this process has kept is asked for again. The listing itself is a sweep over the days, and is
kept as a whole, `listings`, under the stamps of everybody and everything that it was made of. So
are a provider's first starts, and the bytes of whole answers that are made of nothing else
(`app.api.edge.kept_answers`).

What limits go through: the visits that they count are parts of the provider's calendar like any
other, on all dates of the periods that a question touches, looked at and computed with its free
days under one stamp. Which dates are full is decided on reading, as the end of holds is.

What a change goes through (`SharedDays.forget`)

    COMMITTED → the stamp gets another time part, or is removed (rules) → ANSWERED
      └ Redis does not take it, or not in time                        → ANSWERED
        and the stamp is removed as soon as Redis does (`app.redis_announcer`)

Invariants
    1. A stamp is seen before what is read under it, and what is read is kept only if the stamp is
       still the same, compared and set in one step. So nothing read before a change counts after
       the change is answered.
    2. Parts are random, never counted, so a Redis that lost its memory can't repeat one.
    3. A computation may be shared with everybody who saw the same stamp after their question came:
       they would read the same, however late they join (`single_flight`).
    4. Nothing is believed for more than `DAY_LIFETIME_MS`, counted from the oldest reading behind
       it. That bounds the cases in which an old list survives: the writer died between its commit
       and its invalidation; or could not reach Redis, which is counted, `invalidations_late`, and
       `invalidations_lost` where it did not reach it later either; or, in a Redis Cluster, an
       invalidation was lost with a master that nevertheless went on running (docs/scaling.md).
    5. No connection to PostgreSQL is held while Redis is waited for, and none is taken without a
       place in the gate, so half of them stay free for bookings.

A stamp covers all dates of a subject: a change makes all of their days be computed again, one
statement and some 20 µs a week, which costs less than knowing which dates it reaches under which
shapes. Other processes are not waited for: each computes a question at most once.

In a Redis Cluster, an organization's keys are on one node, each node has a run of its own, and a
slot or a master that can't be asked is like Redis away, for its organizations only (`routing`).

Who calls whom: `services` → `read` → `shared` → `local`, `batches` → `connection`; `read` →
`keeper` → `shared`; `read` → `single_flight`, `calendars`, and `sources`, which knows the law and
no cache. `keys` names everything in Redis, `packing` is its format. Use cases call
`read_free_days`, `read_service_days`, `SharedDays.stamps` (what this operation has seen current)
and `SharedDays.forget`; what must not come from a cache, they read with `sources`.
"""
