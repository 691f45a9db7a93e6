"""Ids and cursors are opaque, checked, and mean one thing; pages never shift, skip or repeat."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.words.errors import BadUserInput, Code
from app.api.words.relay import (
    Connection,
    Order,
    PageRequest,
    connect,
    global_id,
    key_of,
    read_global_id,
)

BY_NAME = Order(name="providers", types=(str, UUID))
KEY = UUID("0197f3a0-0000-7000-8000-000000000001")
Row = tuple[str, UUID]


@given(st.uuids())
def test_a_global_id_names_its_type_and_key(key: UUID) -> None:
    assert read_global_id(global_id("Provider", key)) == ("Provider", key)
    assert key_of("Provider", global_id("Provider", key)) == key
    assert key_of("Service", global_id("Provider", key)) is None


@given(
    st.text()
    | st.binary().map(lambda data: data.decode("latin-1"))
    | st.from_regex(r"[A-Za-z0-9_-]*", fullmatch=True)
)
def test_what_is_no_global_id_is_none_and_no_error(text: str) -> None:
    found = read_global_id(text)
    assert found is None or global_id(*found) == text


@pytest.mark.parametrize(
    "change",
    [lambda i: i + "=", lambda i: i + "A", lambda i: i[:-1], lambda i: " " + i, lambda i: i * 200],
)
def test_an_object_has_one_id_only(change: object) -> None:
    """Clients keep objects by their id: a second spelling would be a second object."""
    assert callable(change)
    assert read_global_id(change(global_id("Provider", KEY))) is None


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80
    ),
    st.uuids(),
)
def test_a_cursor_gives_back_its_sort_key(name: str, key: UUID) -> None:
    assert BY_NAME.key(BY_NAME.cursor((name, key))) == (name, key)


def test_a_cursor_may_hold_instants_and_integers() -> None:
    order = Order(name="appointments", types=(datetime, int))
    key = (datetime(2026, 3, 8, 14, 0, 0, 1, tzinfo=UTC), 2**62)
    assert order.key(order.cursor(key)) == key


@pytest.mark.parametrize(
    "cursor",
    [
        Order(name="services", types=(str, UUID)).cursor(("a", KEY)),  # another list's
        Order(name="providers", types=(str,)).cursor(("a",)),  # another shape
        Order(name="providers", types=(int, UUID)).cursor((5, KEY)),  # other types
        Order(name="providers", types=(str, str)).cursor(("a", "no key")),
        Order(name="providers", types=(str, UUID)).cursor(("a\0b", KEY)),  # no text of PostgreSQL's
        "WzIsInByb3ZpZGVycyIsImEiXQ",  # another version
        "WzFd",
        "e30",
        "",
        "nonsense!",
        "x" * 5000,
    ],
)
def test_a_cursor_that_the_list_did_not_give_out_is_refused(cursor: str) -> None:
    with pytest.raises(BadUserInput) as refusal:
        PageRequest.read(BY_NAME, after=cursor)
    assert refusal.value.extensions == {"code": Code.BAD_USER_INPUT, "field": "after"}


@given(st.text())
def test_nonsense_cursors_are_none_and_no_error(text: str) -> None:
    assert BY_NAME.key(text) is None


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        (101, None, "first"),
        (-1, None, "first"),
        (None, -1, "last"),
        (None, 101, "last"),
        (5, 5, "last"),
    ],
)
def test_a_page_size_out_of_range_is_refused_by_name(
    first: int | None, last: int | None, field: str
) -> None:
    with pytest.raises(BadUserInput) as refusal:
        PageRequest.read(BY_NAME, first=first, last=last)
    assert refusal.value.extensions == {"code": Code.BAD_USER_INPUT, "field": field}


def test_a_page_has_20_rows_unless_asked() -> None:
    assert PageRequest.read(BY_NAME).limit == 20


def fetch(rows: list[Row], page: PageRequest) -> list[Row]:
    """What the SQL of a keyset page does, said in Python."""
    chosen = [
        row
        for row in rows
        if (page.after is None or row > page.after) and (page.before is None or row < page.before)
    ]
    chosen.sort(reverse=page.backward)
    return chosen[: page.fetch_limit]


def read(rows: list[Row], **arguments: object) -> Connection[Row]:
    page = PageRequest.read(BY_NAME, **arguments)  # type: ignore[arg-type]
    return connect(page, BY_NAME, fetch(rows, page), key=lambda row: row, node=lambda row: row)


ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.uuids()), unique=True, max_size=12)


@given(ROWS, st.integers(1, 5))
def test_paging_forward_reads_every_row_once_in_order(rows: list[Row], size: int) -> None:
    seen: list[Row] = []
    after: str | None = None
    while True:
        page = read(rows, first=size, after=after)
        seen += page.nodes
        assert [BY_NAME.key(cursor) for cursor in page.cursors()] == page.nodes
        assert page.page_info.has_previous_page == (after is not None)
        after = page.page_info.end_cursor
        if not page.page_info.has_next_page:
            break
    assert seen == sorted(rows)


@given(ROWS, st.integers(1, 5))
def test_paging_backward_reads_every_row_once_and_each_page_in_order(
    rows: list[Row], size: int
) -> None:
    seen: list[Row] = []
    before: str | None = None
    while True:
        page = read(rows, last=size, before=before)
        seen = page.nodes + seen
        assert page.page_info.has_next_page == (before is not None)
        before = page.page_info.start_cursor
        if not page.page_info.has_previous_page:
            break
    assert seen == sorted(rows)


@given(ROWS, st.data())
def test_rows_that_come_and_go_never_shift_a_page(rows: list[Row], data: st.DataObject) -> None:
    """What was behind the cursor and is still there is read, whatever came or
    went meanwhile.
    """
    page = read(rows, first=2)
    if page.page_info.end_cursor is None:
        return
    gone = data.draw(st.sets(st.sampled_from(sorted(rows))))
    come = data.draw(ROWS)
    later = sorted((set(rows) - gone) | set(come))
    cursor = max(page.nodes)
    assert read(later, first=100, after=page.page_info.end_cursor).nodes == [
        row for row in later if row > cursor
    ]


def test_an_empty_page_has_no_cursors() -> None:
    info = read([]).page_info
    assert (info.start_cursor, info.end_cursor, info.has_next_page, info.has_previous_page) == (
        None,
        None,
        False,
        False,
    )
