"""Manage tokens: they show, move and cancel one appointment without an account, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest

from app.identity.manage import GOOD_AFTER_END
from app.settings import Settings
from tests.builders import CREATE_PROVIDER, Api, Caller, Json, a_provider, instant, made, running
from tests.lives import (
    APPOINTMENT,
    booked,
    broken_laws,
    cancel,
    complete,
    hold,
    move,
    no_show,
    seen,
    try_booking,
)

TEN = "2026-01-12T10:00Z"
ELEVEN = "2026-01-12T11:00Z"
NODE = "query ($id: ID!) { node(id: $id) { id ... on Appointment { status } } }"
MICROSECOND = timedelta(microseconds=1)
UPDATE_CUSTOMER = (
    "mutation ($input: UpdateCustomerInput!) { answer: updateCustomer(input: "
    "$input) "
    "{ __typename } }"
)


def bearing(visit: Json) -> Caller:
    """A caller with the manage token as a bearer token."""
    return Caller(token=visit["manageToken"])


def forged(token: str, secret: str, *, headers: Json | None = None, **claims: object) -> str:
    """The same token with other claims and headers, signed with this secret."""
    said = jwt.decode(token, options={"verify_signature": False}) | claims
    named = jwt.get_unverified_header(token) | (headers or {})
    return jwt.encode(
        {key: value for key, value in said.items() if value is not ...},
        secret,
        algorithm="HS256",
        headers=named,
    )


async def test_it_sees_moves_and_cancels_as_an_argument_and_as_a_bearer_token(api: Api) -> None:
    ada = await a_provider(api)
    for caller in (None, "bearer"):
        visit = await booked(api, ada, TEN)
        who = bearing(visit) if caller else None
        shown = await seen(api, visit, caller=who)
        assert shown is not None
        assert (shown["contact"], shown["customer"]) == (visit["appointment"]["contact"], None)
        moved = made(await move(api, visit, ELEVEN, caller=who), "BookingConfirmation")
        assert moved["manageToken"] == visit["manageToken"]
        assert moved["appointment"]["customer"] is None
        cancelled = made(await cancel(api, visit, caller=who), "Appointment")
        assert (cancelled["contact"], cancelled["customer"]) == (
            visit["appointment"]["contact"],
            None,
        )
        shown = await seen(api, visit, caller=who)
        assert shown is not None
        assert shown["status"] == "CANCELLED"
        if who is not None:
            node = await api.ask(NODE, caller=who, id=visit["appointment"]["id"])
            assert node["node"] == {"id": visit["appointment"]["id"], "status": "CANCELLED"}


async def test_both_at_once_open_what_the_argument_names(api: Api) -> None:
    ada = await a_provider(api)
    one, two = await booked(api, ada, TEN), await booked(api, ada, ELEVEN)
    shown = await api.ask(
        APPOINTMENT,
        caller=bearing(one),
        id=two["appointment"]["id"],
        manageToken=two["manageToken"],
    )
    assert shown["appointment"]["id"] == two["appointment"]["id"]
    made(await cancel(api, two, caller=bearing(one), manageToken=two["manageToken"]), "Appointment")
    made(
        await cancel(api, one, caller=bearing(one), manageToken=two["manageToken"]),
        "NotAllowedError",
    )
    made(await cancel(api, one, caller=bearing(one)), "Appointment")


async def test_as_a_bearer_token_it_is_good_for_nothing_else(api: Api) -> None:
    ada = await a_provider(api, email="ada@example.com")
    visit, other = await booked(api, ada, TEN), await booked(api, ada, ELEVEN)
    who = bearing(visit)
    answer = await api.ask(
        """query ($provider: ID!, $other: ID!) {
            viewer { role provider { id } customer { id } }
            appointments { totalCount nodes { id } }
            provider(id: $provider) { email phone appointments { totalCount nodes { id } } }
            appointment(id: $other) { id }
            node(id: $other) { id }
        }""",
        caller=who,
        provider=ada["id"],
        other=other["appointment"]["id"],
    )
    assert answer == {
        "viewer": {"role": "ANONYMOUS", "provider": None, "customer": None},
        "appointments": {"totalCount": 0, "nodes": []},
        "provider": {"email": None, "phone": None, "appointments": {"totalCount": 0, "nodes": []}},
        "appointment": None,
        "node": None,
    }
    made(await cancel(api, other, caller=who), "NotFoundError")
    made(await move(api, other, "2026-01-12T15:00Z", caller=who), "NotFoundError")
    made(await try_booking(api, ada, "2026-01-12T15:00Z", caller=who), "NotAllowedError")
    made(await hold(api, ada, "2026-01-12T15:00Z", caller=who), "NotAllowedError")
    api.clock.set(TEN)
    made(await complete(api, visit, caller=who), "NotAllowedError")
    made(await no_show(api, visit, caller=who), "NotAllowedError")
    provider = {"name": "Eve", "timeZone": "UTC", "serviceDurationMinutes": 60}
    made((await api.ask(CREATE_PROVIDER, caller=who, input=provider))["answer"], "NotAllowedError")
    staffs = await seen(api, visit, caller=api.admin)
    assert staffs is not None
    change = {"id": staffs["customer"]["id"], "name": "Eve"}
    made((await api.ask(UPDATE_CUSTOMER, caller=who, input=change))["answer"], "NotAllowedError")


async def test_as_an_argument_it_opens_its_own_appointment_only(api: Api) -> None:
    ada = await a_provider(api)
    visit, other = await booked(api, ada, TEN), await booked(api, ada, ELEVEN)
    mixed = {**other, "manageToken": visit["manageToken"]}
    assert await seen(api, mixed) is None
    made(await cancel(api, mixed), "NotAllowedError")
    made(await move(api, mixed, "2026-01-12T15:00Z"), "NotAllowedError")


async def test_another_organization_s_token_opens_nothing_here(api: Api) -> None:
    there = await api.another_organization()
    ada = await a_provider(api, of=there)
    visit = await booked(api, ada, TEN, caller=there.anonymous)
    assert await seen(api, visit) is None
    made(await cancel(api, visit), "NotAllowedError")
    answer = await api.send(
        APPOINTMENT,
        caller=Caller(token=visit["manageToken"], organization=api.organization.slug),
        id=visit["appointment"]["id"],
    )
    assert (answer.status, answer.codes) == (403, ["FORBIDDEN"])
    # As a bearer token it brings its organization along.
    shown = await seen(api, visit, caller=bearing(visit))
    assert shown is not None


async def test_it_shows_its_appointment_until_thirty_days_after_its_end_and_moves_with_it(
    api: Api,
) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    made(await move(api, visit, "2026-01-20T10:00Z"), "BookingConfirmation")
    until = instant("2026-01-20T11:00Z") + GOOD_AFTER_END
    assert timedelta(days=30) == GOOD_AFTER_END
    for now, is_good in (
        (instant("2026-02-11T12:00Z"), True),
        (until, True),
        (until + MICROSECOND, False),
    ):
        api.clock.set(now)
        for caller in (None, bearing(visit)):
            assert (await seen(api, visit, caller=caller) is not None) == is_good, now
        expected = "NotCancellableError" if is_good else "NotFoundError"
        made(await cancel(api, visit), expected)
    # Callers who may see the appointment anyway still do, with the old link or without it.
    for token in ({}, {"manageToken": visit["manageToken"]}):
        shown = await api.ask(APPOINTMENT, caller=api.admin, id=visit["appointment"]["id"], **token)
        assert shown["appointment"]["id"] == visit["appointment"]["id"]


async def test_an_expired_link_to_a_cancelled_appointment_says_no_more(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    made(await cancel(api, visit), "Appointment")
    api.clock.set(instant(ELEVEN) + GOOD_AFTER_END)
    shown = await seen(api, visit)
    assert shown is not None
    assert shown["status"] == "CANCELLED"
    api.clock.set(instant(ELEVEN) + GOOD_AFTER_END + MICROSECOND)
    assert await seen(api, visit) is None
    made(await cancel(api, visit), "NotFoundError")


async def test_reading_with_it_changes_nothing(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)

    async def stored() -> list[Json]:
        found: list[Json] = []
        for table in (
            "appointment",
            "claim",
            "appointment_history",
            "customer",
            "idempotency_key",
            "hold",
        ):
            found += await api.rows(
                f"SELECT xmin::text AS writer, t.* FROM {table} AS t WHERE organization_id = $1",
                api.organization.id,
            )
        return found

    before = await stored()
    for now in ("2026-01-12T08:00Z", "2026-01-12T10:30Z", "2026-02-01T10:00Z", "2026-06-01T10:00Z"):
        api.clock.set(now)
        for caller in (None, bearing(visit)):
            await seen(api, visit, caller=caller)
            await api.send(NODE, caller=caller, id=visit["appointment"]["id"])
    assert await stored() == before


async def test_a_manage_token_is_never_an_access_token_nor_the_reverse(api: Api) -> None:
    ada = await a_provider(api)
    visit = await booked(api, ada, TEN)
    token, access = visit["manageToken"], api.admin.token
    assert access is not None
    made(await cancel(api, {**visit, "manageToken": access}), "NotAllowedError")
    assert await seen(api, {**visit, "manageToken": access}) is None
    # What looks like a manage token is judged as one, whatever key signed it; and what does not, is
    # not.
    secret = "a secret of the tests of at least thirty-two bytes"
    manage_secret = "another secret of the tests of at least 32 bytes"
    claims: Json = {"role": "admin", "organization": api.organization.slug, "exp": 4_000_000_000}
    for bad in (
        forged(token, secret, **claims),
        forged(token, secret, headers={"typ": "JWT"}, **claims),
        forged(token, manage_secret, headers={"typ": "JWT"}, **claims),
        forged(token, manage_secret, headers={"typ": "JWT"}, aud="slotwright", **claims),
        forged(access, manage_secret, headers={"kid": "test"}),
        forged(token, secret),
        forged(token, manage_secret, aud="hold"),
        forged(token, manage_secret, aud=...),
        forged(token, manage_secret, sub=...),
        forged(token, manage_secret, sub="nobody"),
        forged(token, manage_secret, org=7),
        forged(token, manage_secret, headers={"kid": "other"}),
        forged(token, manage_secret, headers={"typ": "hold+jwt"}),
        token[:-2],
        f"{token.rpartition('.')[0]}.",
    ):
        answer = await api.send("{ viewer { role } }", caller=Caller(token=bad))
        assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"]), bad
        made(await cancel(api, {**visit, "manageToken": bad}), "NotAllowedError")
        assert await seen(api, {**visit, "manageToken": bad}) is None
    # A manage token with more in it is still that and no more.
    dressed = forged(token, manage_secret, **claims)
    answer = await api.send("{ viewer { role } }", caller=Caller(token=dressed))
    assert answer.data == {"viewer": {"role": "ANONYMOUS"}}


async def test_one_secret_for_both_kinds_does_not_mix_them_up(environment: dict[str, str]) -> None:
    secret = "one secret for everything and of at least 32 bytes"
    settings = Settings.from_environment(
        environment
        | {"SLOTWRIGHT_TOKEN_SECRET": secret, "SLOTWRIGHT_MANAGE_KEYS": f"test:{secret}"}
    )
    async with running(settings) as own:
        api = await own.api()
        visit = await booked(api, await a_provider(api), TEN)
        assert api.admin.token is not None
        made(await cancel(api, {**visit, "manageToken": api.admin.token}), "NotAllowedError")
        answer = await api.send("{ viewer { role } }", caller=bearing(visit))
        assert answer.data == {"viewer": {"role": "ANONYMOUS"}}
        # Without its type it would be read as an access token, and says none of what one must.
        bare = forged(visit["manageToken"], secret, headers={"typ": "JWT"})
        assert (await api.send("{ viewer { role } }", caller=Caller(token=bare))).status == 401


async def test_keys_rotate_and_old_links_live_on_until_their_key_is_gone(
    environment: dict[str, str],
) -> None:
    old, new = (
        "old:the-old-secret-of-at-least-32-bytes!!",
        "new:the-new-secret-of-at-least-32-bytes!!",
    )

    def with_keys(*keys: str) -> Settings:
        return Settings.from_environment(environment | {"SLOTWRIGHT_MANAGE_KEYS": ",".join(keys)})

    async with (
        running(with_keys(old)) as first,
        running(with_keys(new, old)) as second,
        running(with_keys(new)) as third,
    ):
        before = await first.api()
        ada = await a_provider(before)
        visit = await booked(before, ada, TEN)
        assert jwt.get_unverified_header(visit["manageToken"])["kid"] == "old"
        during = Api(second.http, second.resources, before.organization, second.clock)
        after = Api(third.http, third.resources, before.organization, third.clock)
        for caller in (None, bearing(visit)):
            assert await seen(during, visit, caller=caller) is not None
        moved = made(await move(during, visit, ELEVEN), "BookingConfirmation")
        assert jwt.get_unverified_header(moved["manageToken"])["kid"] == "new"
        # Who was not told of the new key yet can't know it; who has forgotten the old one does not
        # know that.
        assert await seen(before, moved) is None
        assert await seen(after, visit) is None
        assert (await after.send("{ viewer { role } }", caller=bearing(visit))).status == 401
        made(await cancel(after, moved), "Appointment")
        assert await broken_laws(first.resources.pool, before.organization.id) == {}


@pytest.mark.parametrize("bad", ["", "nonsense", "..", "x" * 9_000, "\u00e9"])
async def test_what_is_no_token_opens_nothing_and_breaks_nothing(api: Api, bad: str) -> None:
    visit = await booked(api, await a_provider(api), TEN)
    assert await seen(api, {**visit, "manageToken": bad}) is None
    made(await cancel(api, {**visit, "manageToken": bad}), "NotAllowedError")
    made(await move(api, {**visit, "manageToken": bad}, ELEVEN), "NotAllowedError")
