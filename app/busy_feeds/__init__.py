"""FLOOR 1: other people's calendars (iCalendar, RFC 5545), read as busy times. Its rule: a feed
that can't be read as a whole makes nobody free.

- `values` and `components` turn bytes into events, with `icalendar`'s parser of lines.
- `zones` finds what a TZID means: the pinned tables, Windows' names, or the feed's own VTIMEZONE.
- `recurrence` expands rules, with `dateutil`.
- `read` does all of it for one feed, and is pure.
- `readers` runs `read` in a child process, which is killed where it takes too long.

Feeds are hostile input: a few bytes of RRULE can ask for years of computation. `components` and
`recurrence` bound what is counted, the child process bounds time and memory.
"""
