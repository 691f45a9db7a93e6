"""Messages in the API: planned and sent ones, resent, previewed, with own templates, stopped, and
with delivery reports.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.core.messages import Channel
from app.store.opt_outs import opt_in, opt_out, opted_out
from app.store.pool import transaction
from tests.builders import (
    Caller,
    Json,
    a_provider,
    an_appointment,
    instant,
    made,
    unknown,
    utc,
)
from tests.integration.reminders import AUTH_TOKEN, PUBLIC_URL, RESEND, Post, a_post, a_resend

GRACE, ADA, PHONE = "grace@example.org", "ada@salon.example", "+491701234567"

READ = """query ($id: ID!, $token: String) { appointment(id: $id, manageToken: $token) {
    contact { channels } reminders { kind channel recipient status dueAt sentAt detail isResend } messages { kind status }
} }"""
UPDATE_CUSTOMER = """mutation ($input: UpdateCustomerInput!) { answer: updateCustomer(input: $input) {
    __typename ... on Customer { channels } ... on UserError { message }
} }"""
UPDATE_PROVIDER = """mutation ($input: UpdateProviderInput!) { answer: updateProvider(input: $input) {
    __typename ... on Provider { channels locale } ... on UserError { message }
} }"""
CANCEL = """mutation ($input: CancelAppointmentInput!) {
    answer: cancelAppointment(input: $input) { __typename ... on UserError { message } }
}"""
MOVE = """mutation ($input: RescheduleAppointmentInput!) {
    answer: rescheduleAppointment(input: $input) { __typename ... on UserError { message } }
}"""
PREVIEW = """query ($kind: ReminderKind!, $recipient: ReminderRecipient!, $channel: ReminderChannel!, $locale: String,
        $id: ID, $words: MessageWordsInput) {
    previewMessage(kind: $kind, recipient: $recipient, channel: $channel, locale: $locale, appointmentId: $id,
        words: $words) { language subject text html calendar segments problem { part line detail } }
}"""
SET_TEMPLATE = """mutation ($input: SetMessageTemplateInput!) { answer: setMessageTemplate(input: $input) {
    __typename ... on MessageTemplate { subject text html sms } ... on UserError { message }
    ... on InvalidInputError { field }
} }"""
TEMPLATES = "{ messageTemplates { kind recipient language subject } }"
ADVANCE = """mutation ($input: AdvanceClockInput!) { answer: advanceClock(input: $input) {
    __typename ... on Clock { now } ... on UserError { message }
} }"""


@pytest.fixture
async def post(environment: dict[str, str]) -> AsyncIterator[Post]:
    async with a_post(environment) as post:
        yield post


async def booked(
    post: Post, starts_at: str = "2026-01-14T12:00Z", **contact: object
) -> tuple[Json, Json]:
    """Ada, and Grace's appointment with her."""
    ada = await a_provider(post.api, name="Ada", email=ADA, timeZone="Europe/Berlin")
    customer = {"name": "Grace", "email": GRACE} | contact
    return ada, await an_appointment(post.api, ada, starts_at, customer=customer)


async def reminders(post: Post, confirmation: Json) -> list[Json]:
    token = confirmation["manageToken"]
    found = await post.api.ask(READ, id=confirmation["appointment"]["id"], token=token)
    listed: list[Json] = found["appointment"]["reminders"]
    return listed


def brief(row: Json) -> tuple[Any, ...]:
    return row["kind"], row["recipient"], row["channel"], row["status"], row["dueAt"]


async def test_planned_reminders_are_shown_with_their_time_and_become_what_was_sent(
    post: Post,
) -> None:
    _ada, confirmation = await booked(post)
    [day], [hour] = utc("2026-01-13", "12:00"), utc("2026-01-14", "11:00")
    planned = [
        (kind, side, "EMAIL", "PENDING", due)
        for kind, due in (("DAY_BEFORE", day), ("HOUR_BEFORE", hour))
        for side in ("CUSTOMER", "PROVIDER")
    ]
    assert [brief(row) for row in await reminders(post, confirmation)] == planned
    assert {row["sentAt"] for row in await reminders(post, confirmation)} == {None}
    await post.work_at("2026-01-13T12:00:30Z")
    after = await reminders(post, confirmation)
    assert [row["status"] for row in after] == ["SENT", "SENT", "PENDING", "PENDING"]
    assert [row["sentAt"] for row in after][:2] == ["2026-01-13T12:00:30Z"] * 2
    found = await post.api.ask(READ, caller=post.api.admin, id=confirmation["appointment"]["id"])
    kinds = [(row["kind"], row["status"]) for row in found["appointment"]["messages"]]
    assert kinds[:2] == [("BOOKED", "SENT")] * 2
    assert len(kinds) == 6


async def test_a_message_has_one_id_while_it_is_planned_and_once_it_was_sent(post: Post) -> None:
    """`node` gives it by that id, to those who see the appointment."""
    _ada, confirmation = await booked(post)
    api, token = post.api, confirmation["manageToken"]
    ids = "query ($id: ID!) { appointment(id: $id) { messages { id kind recipient isResend } } }"
    values = {"id": confirmation["appointment"]["id"]}
    planned = (await api.ask(ids, caller=api.admin, **values))["appointment"]["messages"]
    assert len({row["id"] for row in planned}) == 6
    await post.work_at("2026-01-13T12:00:30Z")
    assert (await api.ask(ids, caller=api.admin, **values))["appointment"]["messages"] == planned
    resend = {
        "appointmentId": values["id"],
        "kind": "DAY_BEFORE",
        "recipient": "CUSTOMER",
        "channel": "EMAIL",
    }
    made((await api.ask(RESEND, caller=api.admin, input=resend))["answer"], "Reminder")
    await post.work_at("2026-01-13T12:10:30Z")
    made((await api.ask(RESEND, caller=api.admin, input=resend))["answer"], "Reminder")
    every = (await api.ask(ids, caller=api.admin, **values))["appointment"]["messages"]
    assert len({row["id"] for row in every}) == 8
    assert [row for row in every if not row["isResend"]] == planned
    node = """query ($ids: [ID!]!) { nodes(ids: $ids) {
        __typename id ... on Reminder { kind recipient isResend }
    } }"""
    asked = [row["id"] for row in every]
    for caller in (api.admin, Caller(token=token)):
        found = (await api.ask(node, caller=caller, ids=asked))["nodes"]
        assert found == [{"__typename": "Reminder"} | row for row in every]
    for caller in (
        api.anonymous,
        api.customer("stranger"),
        (await api.another_organization()).admin,
    ):
        assert set((await api.ask(node, caller=caller, ids=asked))["nodes"]) == {None}
    bent = [values["id"], asked[0][:-4], asked[0] + "AAAA"]
    found = (await api.ask(node, caller=api.admin, ids=bent))["nodes"]
    assert [each and each["__typename"] for each in found] == ["Appointment", None, None]


async def test_what_is_no_longer_planned_is_no_longer_shown(post: Post) -> None:
    ada, confirmation = await booked(post)
    await post.api.ask(
        UPDATE_PROVIDER,
        caller=post.api.admin,
        input={"id": ada["id"], "channels": [], "locale": "fr"},
    )
    assert {row["recipient"] for row in await reminders(post, confirmation)} == {"CUSTOMER"}
    cancel = """mutation ($input: CancelAppointmentInput!) { cancelAppointment(input: $input) { __typename } }"""
    values = {
        "appointmentId": confirmation["appointment"]["id"],
        "manageToken": confirmation["manageToken"],
    }
    await post.api.ask(cancel, input=values)
    assert await reminders(post, confirmation) == []


async def test_a_customers_record_says_on_which_channels_once_it_does(post: Post) -> None:
    """What was asked for at booking holds until the customer's own record says otherwise."""
    _ada, confirmation = await booked(post, phone=PHONE, channels=["SMS"])
    assert {
        row["channel"]
        for row in await reminders(post, confirmation)
        if row["recipient"] == "CUSTOMER"
    } == {"SMS"}
    found = await post.api.ask(
        (
            "query ($id: ID!) { appointment(id: $id) { customer { id channels } contact { channels } "
            "} "
            "}"
        ),
        caller=post.api.admin,
        id=confirmation["appointment"]["id"],
    )
    assert (
        found["appointment"]["customer"]["channels"]
        == found["appointment"]["contact"]["channels"]
        == ["SMS"]
    )
    values = {"id": found["appointment"]["customer"]["id"], "channels": ["SMS", "EMAIL"]}
    answer = await post.api.ask(UPDATE_CUSTOMER, caller=post.api.admin, input=values)
    assert made(answer["answer"], "Customer")["channels"] == ["EMAIL", "SMS"]
    channels = [
        row["channel"]
        for row in await reminders(post, confirmation)
        if row["recipient"] == "CUSTOMER"
    ]
    assert channels == ["EMAIL", "SMS", "EMAIL", "SMS"]


async def test_staff_send_a_message_again_and_a_double_click_sends_once(post: Post) -> None:
    ada, confirmation = await booked(post)
    await post.work()
    values = a_resend(confirmation)
    acting = post.api.acting_for(ada)
    for _click in range(2):
        answer = (await post.api.ask(RESEND, caller=acting, input=values))["answer"]
        assert (answer["__typename"], answer["status"], answer["isResend"]) == (
            "Reminder",
            "PENDING",
            True,
        )
    assert await post.work() == {"SENT": 1}
    first, second = (letter["Message-ID"] for letter in post.letters(GRACE))
    assert first != second
    again = (await post.api.ask(RESEND, caller=acting, input=values))["answer"]
    assert again["__typename"] == "Reminder"
    assert await post.work() == {"SENT": 1}
    assert [row["is_resend"] for row in await post.log() if row["recipient"] == "CUSTOMER"] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("changes", "refusal", "field"),
    [
        ({"kind": "CANCELLED"}, "InvalidInputError", "kind"),
        ({"kind": "RESCHEDULED"}, "InvalidInputError", "kind"),
        ({"channel": "SMS"}, "InvalidInputError", "channel"),
        ({"appointmentId": unknown("Appointment")}, "NotFoundError", None),
    ],
)
async def test_what_can_not_be_sent_again_is_refused(
    post: Post, changes: Json, refusal: str, field: str | None
) -> None:
    _ada, confirmation = await booked(post)
    values = a_resend(confirmation, kind="DAY_BEFORE")
    answer = (await post.api.ask(RESEND, caller=post.api.admin, input=values | changes))["answer"]
    assert (answer["__typename"], answer.get("field")) == (refusal, field)


async def test_only_the_appointments_own_staff_send_again(post: Post) -> None:
    _ada, confirmation = await booked(post)
    other = await a_provider(post.api)
    elsewhere = await post.api.another_organization()
    values = a_resend(confirmation, kind="DAY_BEFORE")

    async def refused(caller: Caller) -> str:
        answer = (await post.api.ask(RESEND, caller=caller, input=values))["answer"]
        return str(answer["__typename"])

    assert await refused(post.api.anonymous) == "NotAllowedError"
    assert await refused(Caller(token=confirmation["manageToken"])) == "NotAllowedError"
    assert await refused(post.api.customer()) == "NotAllowedError"
    assert await refused(post.api.acting_for(other)) == "NotFoundError"
    assert await refused(elsewhere.admin) == "NotFoundError"
    assert [row for row in await post.log() if row["is_resend"]] == []


async def preview(post: Post, **asked: object) -> Json | None:
    asking: Json = {"kind": "DAY_BEFORE", "recipient": "CUSTOMER", "channel": "EMAIL"} | asked
    found: Json | None = (await post.api.ask(PREVIEW, caller=post.api.admin, **asking))[
        "previewMessage"
    ]
    return found


async def test_a_preview_says_what_would_be_sent_and_sends_nothing(post: Post) -> None:
    _ada, confirmation = await booked(post)
    real = await preview(post, id=confirmation["appointment"]["id"])
    assert real is not None
    assert "Ada" in real["subject"]
    assert confirmation["manageToken"] not in str(real)
    made_up = await preview(post, locale="de-AT", channel="SMS", kind="CANCELLED")
    assert made_up is not None
    assert (made_up["language"], made_up["html"], made_up["calendar"]) == ("de", None, None)
    assert "Abgesagt" in made_up["text"]
    assert made_up["segments"] >= 1
    assert await preview(post, id=unknown("Appointment")) is None
    asking = {"kind": "BOOKED", "recipient": "CUSTOMER", "channel": "EMAIL"}
    for caller in (post.api.anonymous, post.api.customer()):
        assert (await post.api.ask(PREVIEW, caller=caller, **asking))["previewMessage"] is None
    assert post.letters() == []


async def test_own_words_go_out_in_their_language_and_for_their_recipient(post: Post) -> None:
    words = {
        "kind": "BOOKED",
        "recipient": "CUSTOMER",
        "language": "de",
        "subject": "Bis bald, {{ contact }}!",
    }
    answer = (await post.api.ask(SET_TEMPLATE, caller=post.api.admin, input=words))["answer"]
    assert made(answer, "MessageTemplate")["text"] is None
    ada, _german = await booked(post, locale="de")
    english = {"name": "Alan", "email": "alan@example.org", "locale": "en"}
    await an_appointment(post.api, ada, "2026-01-14T13:00Z", customer=english)
    await post.work()
    assert post.subjects(GRACE) == ["Bis bald, Grace!"]
    assert post.subjects("alan@example.org")[0].startswith("Confirmed")
    assert (await post.api.ask(TEMPLATES, caller=post.api.admin))["messageTemplates"] == [
        {
            "kind": "BOOKED",
            "recipient": "CUSTOMER",
            "language": "de",
            "subject": "Bis bald, {{ contact }}!",
        }
    ]
    assert (await post.api.ask(TEMPLATES, caller=post.api.acting_for(ada)))[
        "messageTemplates"
    ] is None
    gone = {"kind": "BOOKED", "recipient": "CUSTOMER", "language": "de"}
    await post.api.ask(SET_TEMPLATE, caller=post.api.admin, input=gone)
    assert (await post.api.ask(TEMPLATES, caller=post.api.admin))["messageTemplates"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"subject": "{{ contact"}, "subject"),
        ({"html": "{% for x in y %}{% endfor %}"}, "html"),
        ({"text": "{{ password }}"}, "text"),
        ({"sms": "{% if false %}x{% endif %}"}, "sms"),
        ({"language": "tlh", "subject": "nuqneH"}, "language"),
    ],
)
async def test_words_that_do_not_work_are_refused_before_they_are_kept(
    post: Post, changes: Json, field: str
) -> None:
    words = {"kind": "BOOKED", "recipient": "CUSTOMER", "language": "en"} | changes
    answer = (await post.api.ask(SET_TEMPLATE, caller=post.api.admin, input=words))["answer"]
    assert made(answer, "InvalidInputError")["field"] == field
    tried = await preview(
        post,
        kind="BOOKED",
        words={name: text for name, text in changes.items() if name != "language"},
    )
    assert tried is not None
    assert field in {"language", "sms"} or tried["problem"]["part"] == field
    assert (await post.api.ask(TEMPLATES, caller=post.api.admin))["messageTemplates"] == []


async def test_only_administrators_change_words(post: Post) -> None:
    ada = await a_provider(post.api)
    words = {"kind": "BOOKED", "recipient": "CUSTOMER", "language": "en", "subject": "x"}
    for caller in (post.api.anonymous, post.api.customer(), post.api.acting_for(ada)):
        made(
            (await post.api.ask(SET_TEMPLATE, caller=caller, input=words))["answer"],
            "NotAllowedError",
        )


# ---------------------------------------------------------------- stopping messages


def unsubscribe_path(letter: Any) -> str:  # noqa: ANN401 - a letter as it came
    link = re.fullmatch(
        r"<https://api\.salon\.example(/unsubscribe/\S+)>", str(letter["List-Unsubscribe"])
    )
    assert link is not None
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return link[1]


async def test_an_opt_out_holds_for_the_address_in_its_organization_until_it_is_taken_back(
    post: Post,
) -> None:
    ada, confirmation = await booked(post, locale="de")
    await post.work()
    path = unsubscribe_path(post.letters(GRACE)[0])
    page = await post.api.http.get(path)
    assert page.status_code == 200
    assert "abbestellen" in page.text
    assert "erfahren Sie es trotzdem" in page.text, "what an opt-out does not stop is said"
    assert await post.api.rows("SELECT * FROM message_opt_out") == [], (
        "opening the link changes nothing"
    )
    done = await post.api.http.post(path, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    assert "<form" not in done.text
    assert (await post.api.http.post(path)).status_code == 200, "twice is as good as once"
    happened = await post.api.rows(
        "SELECT actor FROM event WHERE type = 'CUSTOMER_CHANGED' AND organization_id = $1 "
        "ORDER BY transaction_id",
        post.api.organization.id,
    )
    assert [each["actor"] for each in happened[1:]] == ["GUEST"], "after the record was made"

    await an_appointment(
        post.api, ada, "2026-01-14T14:00Z", customer={"name": "Grace again", "email": GRACE.upper()}
    )
    await post.work_at("2026-01-13T12:00Z")
    assert [row[3:] for row in await post.ends() if row[1] == "CUSTOMER"] == [
        ("SENT", None),
        ("SKIPPED", "the recipient opted out"),
        ("SKIPPED", "the recipient opted out"),
    ]
    assert {
        row["recipient"]
        for row in await reminders(post, confirmation)
        if row["status"] == "PENDING"
    } == {"PROVIDER"}
    assert len(post.letters(ADA)) == 3, "the other side still gets its own"

    found = await post.api.ask(
        "query ($id: ID!) { appointment(id: $id) { customer { id } } }",
        caller=post.api.admin,
        id=confirmation["appointment"]["id"],
    )
    values = {"id": found["appointment"]["customer"]["id"], "channels": ["EMAIL"]}
    await post.api.ask(UPDATE_CUSTOMER, caller=post.api.admin, input=values)
    assert await post.work_at("2026-01-14T11:00Z") == {"SENT": 4}, (
        "an hour's and a late day's, to both sides"
    )


async def opted_out_of(post: Post) -> None:
    """Grace has stopped the messages that she got so far."""
    await post.work()
    path = unsubscribe_path(post.letters(GRACE)[0])
    assert (await post.api.http.post(path)).status_code == 200


async def change(post: Post, confirmation: Json, *, by_practice: bool, **values: Any) -> None:  # noqa: ANN401
    """Cancelled, or moved where there is another start; by whom decides who still has to know."""
    mutation = MOVE if "startsAt" in values else CANCEL
    token = {} if by_practice else {"manageToken": confirmation["manageToken"]}
    values |= {"appointmentId": confirmation["appointment"]["id"]} | token
    answer = await post.api.ask(
        mutation, caller=post.api.admin if by_practice else None, input=values
    )
    made(answer["answer"], "BookingConfirmation" if "startsAt" in values else "Appointment")


MOVED = {"startsAt": "2026-01-15T09:00:00Z", "idempotencyKey": "moved"}


@pytest.mark.parametrize("by_practice", [True, False])
@pytest.mark.parametrize(
    ("values", "kind"), [(MOVED, "RESCHEDULED"), ({"reason": "Closed"}, "CANCELLED")]
)
async def test_an_opt_out_does_not_stop_the_news_that_the_practice_cancelled_or_moved(
    post: Post, values: Json, kind: str, *, by_practice: bool
) -> None:
    """A notice, not a reminder: else somebody comes for nothing. What customers did they know."""
    _ada, confirmation = await booked(post)
    await opted_out_of(post)
    await change(post, confirmation, by_practice=by_practice, **values)
    await post.work()
    expected = ("SENT", None) if by_practice else ("SKIPPED", "the recipient opted out")
    assert [row[3:] for row in await post.ends(kind) if row[1] == "CUSTOMER"] == [expected]
    await post.work_at("2026-01-14T12:00Z")
    reminded = [row[3:] for row in await post.ends("DAY_BEFORE") if row[1] == "CUSTOMER"]
    assert ("SENT", None) not in reminded


@pytest.mark.parametrize("by_practice", [True, False])
async def test_a_reason_goes_to_the_other_side(post: Post, *, by_practice: bool) -> None:
    """A guest's words don't travel in our mail to an address that nobody checked."""
    reason = "Win at https://evil.example now"
    _ada, confirmation = await booked(post, name="Grace of evil.example")
    await change(post, confirmation, by_practice=by_practice, reason=reason)
    await post.work()
    [mine], [theirs] = post.letters(GRACE), post.letters(ADA)
    texts = [letter.get_body(("plain",)) for letter in (mine, theirs)]
    to_customer, to_provider = (text.get_content() for text in texts if text is not None)
    assert ("Win at" in to_customer) == by_practice
    assert "Win at" in to_provider
    assert ("https://evil" in to_provider) == by_practice
    assert "evil.example" not in to_customer.replace(reason, "")
    assert "Hello Grace of evil. example," in to_customer
    assert [box.display_name for box in mine["To"].addresses] == [""]


async def test_mail_says_what_the_policy_allows_when_it_is_sent(post: Post) -> None:
    policy = {"freeUntilMinutesBefore": 24 * 60, "lateCancellation": "REFUSED"}
    ada = await a_provider(post.api, email=ADA, cancellationPolicy=policy, timeZone="UTC")
    customer = {"name": "Grace", "email": GRACE}
    await an_appointment(post.api, ada, "2026-01-14T12:00Z", customer=customer)
    await post.work()
    await post.work_at("2026-01-13T12:00:01Z")
    early, late = (letter.get_body(("plain",)) for letter in post.letters(GRACE))
    assert early is not None
    assert late is not None
    assert "Change or cancel: https://" in early.get_content()
    assert "then no longer possible" in early.get_content()
    assert "View appointment: https://" in late.get_content()
    assert "Cancellation: No longer possible; it was free until" in late.get_content()


async def test_words_that_were_stored_and_are_too_large_now_give_way_to_the_built_in_ones(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    too_large = "{{time}}" * 8_000
    await post.api.rows(
        "INSERT INTO message_template (organization_id, kind, recipient, language, subject, "
        "body_text, updated_at) VALUES ($1, 'BOOKED', 'CUSTOMER', 'en', 'Mine', $2, '2026-01-01')",
        post.api.organization.id,
        too_large,
    )
    await booked(post)
    assert await post.work() == {"SENT": 2}
    [letter] = post.letters(GRACE)
    assert str(letter["Subject"]).startswith("Confirmed:")
    assert "its own template broke in text" in caplog.text
    preview = await post.api.ask(
        PREVIEW, caller=post.api.admin, kind="BOOKED", recipient="CUSTOMER", channel="EMAIL"
    )
    assert preview["previewMessage"]["problem"]["part"] == "text"
    values = {"kind": "BOOKED", "recipient": "CUSTOMER", "language": "en", "text": too_large}
    refused = (await post.api.ask(SET_TEMPLATE, caller=post.api.admin, input=values))["answer"]
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "text")


async def test_a_link_that_is_not_ours_stops_nothing(post: Post) -> None:
    _ada, confirmation = await booked(post)
    await post.work()
    for token in ("nonsense", confirmation["manageToken"], "a" * 3000):
        assert (await post.api.http.post(f"/unsubscribe/{token}")).status_code == 404
    assert await post.api.rows("SELECT * FROM message_opt_out") == []


async def test_an_opt_out_is_of_one_domain_in_all_its_spellings(post: Post) -> None:
    pool, organization_id = post.api.resources.pool, post.api.organization.id
    spelled, in_ascii, another = (
        (Channel.EMAIL, f"kim@{domain}") for domain in ("Faß.de", "xn--fa-hia.de", "fass.de")
    )
    asked = [spelled, in_ascii, another]
    await opt_out(pool, organization_id, spelled, instant("2026-01-12T08:00Z"))
    assert await opted_out(pool, organization_id, asked) == {spelled, in_ascii}
    async with transaction(pool) as tx:
        await opt_in(tx, organization_id, [in_ascii])
    assert await opted_out(pool, organization_id, asked) == set()
    await opt_out(pool, organization_id, another, instant("2026-01-12T08:00Z"))
    assert await opted_out(pool, organization_id, asked) == {another}


async def test_an_opt_out_of_an_earlier_version_holds(post: Post) -> None:
    """Its digest was made of the domain's own letters, folded."""
    pool, organization_id = post.api.resources.pool, post.api.organization.id
    for address in ("grace@example.org", "kim@müller.example", "kim@faß.de"):
        text = f"{organization_id}\x1fEMAIL\x1f{address.casefold()}"
        await post.api.rows(
            "INSERT INTO message_opt_out (organization_id, channel, address_digest, opted_out_at) "
            "VALUES ($1, 'EMAIL', $2, '2026-01-01')",
            organization_id,
            hashlib.sha256(text.encode()).digest(),
        )
    asked = [
        (Channel.EMAIL, address)
        for address in ("Grace@example.org", "kim@müller.example", "kim@faß.de")
    ]
    assert await opted_out(pool, organization_id, asked) == set(asked)
    async with transaction(pool) as tx:
        await opt_in(tx, organization_id, asked)
    assert await opted_out(pool, organization_id, asked) == set()


# ---------------------------------------------------------------- the gateway's reports


def signed(url: str, form: dict[str, str]) -> str:
    said = url + "".join(f"{name}{value}" for name, value in sorted(form.items()))
    return base64.b64encode(
        hmac.new(AUTH_TOKEN.encode(), said.encode(), hashlib.sha1).digest()
    ).decode()


async def report(
    post: Post, message: Json, status: str, *, genuine: bool = True, **fields: str
) -> int:
    form = {"MessageSid": message["sid"], "MessageStatus": status, **fields}
    url = message["callback"]
    signature = signed(url, form) if genuine else signed(url + "x", form)
    path = url.removeprefix(PUBLIC_URL)
    answer = await post.api.http.post(path, data=form, headers={"X-Twilio-Signature": signature})
    return answer.status_code


async def text_row(post: Post) -> tuple[str, str | None]:
    [row] = [row for row in await post.log() if row["channel"] == "SMS"]
    return row["status"], row["detail"]


async def test_a_report_of_failure_is_recorded_if_it_is_genuine_and_stays(post: Post) -> None:
    await booked(post, "2026-01-20T12:00Z", email=None, phone=PHONE)
    await post.work()
    [message] = post.sms.taken
    assert await report(post, message, "undelivered", genuine=False, ErrorCode="30003") == 403
    assert await text_row(post) == ("SENT", None)
    assert await report(post, message, "sent") == 204
    assert await text_row(post) == ("SENT", None)
    assert await report(post, message, "undelivered", ErrorCode="30003") == 204
    assert await text_row(post) == ("FAILED", "gateway: undelivered, error 30003")
    assert await report(post, message, "sent") == 204, "reports come in any order"
    assert (await text_row(post))[0] == "FAILED"
    path = message["callback"].removeprefix(PUBLIC_URL)
    assert (await post.api.http.post(path, content=b"x" * 20_000)).status_code == 413


async def test_a_report_settles_the_outcome_that_a_lost_answer_left_open(post: Post) -> None:
    post.sms.lost = 1
    await booked(post, "2026-01-20T12:00Z", email=None, phone=PHONE)
    await post.work()
    assert (await text_row(post))[0] == "PENDING"
    assert await report(post, post.sms.taken[0], "delivered") == 204
    assert await text_row(post) == ("SENT", None)
    await post.end_leases()
    assert await post.work() == {}
    assert len(post.sms.taken) == 1


async def test_the_clock_of_a_server_that_has_a_real_one_stays(post: Post) -> None:
    answer = await post.api.ask(ADVANCE, caller=post.api.admin, input={"minutes": 5})
    made(answer["answer"], "NotAllowedError")
