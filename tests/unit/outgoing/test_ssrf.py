"""The server is no way into the network that it runs in: every range that the public internet does
not reach is refused as a literal, by name, by redirect and by rebinding.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network

import pytest

from app.outgoing.addresses import check_address
from app.outgoing.client import FEED_LIMITS, WEBHOOK_LIMITS, Answer, Outgoing, Reason, Unanswered
from app.outgoing.networks import Networks
from tests.unit.outgoing.servers import answer, redirect, served

NOT_PUBLIC = (
    "0.0.0.0",  # noqa: S104  this host
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",  # CGNAT
    "100.100.100.200",  # metadata of Alibaba
    "100.127.255.255",
    "127.0.0.2",
    "127.255.255.254",
    "168.63.129.16",  # Azure's agent
    "169.254.0.1",
    "169.254.169.254",  # metadata of AWS, GCP, Azure and others
    "169.254.170.2",  # credentials of ECS tasks
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",  # metadata of Oracle
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::7f00:1",  # IPv4-compatible 127.0.0.1
    "::10.0.0.1",
    "::ffff:10.0.0.1",  # IPv4-mapped
    "::ffff:a9fe:a9fe",
    "::ffff:127.0.0.2",
    "::ffff:0:127.0.0.2",  # IPv4-translated
    "64:ff9b::10.0.0.1",  # NAT64
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",  # NAT64 of one network
    "100::1",  # discarded
    "2001::1",  # Teredo
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:a00:1::1",  # 6to4 of 10.0.0.1
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",  # metadata of AWS
    "fd20:ce::254",  # metadata of GCP
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2a00:1450:4001:800::200e",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
)


AUTHORITIES = ssl.create_default_context()

THIS_SERVER = ip_network("127.0.0.1/32")
"""What the tests list, so that they have something to call: 127.0.0.2 is still refused."""

REFUSED = Unanswered(reason=Reason.REFUSED, problem="The host has no address that may be called.")


def literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class Names:
    """A DNS that answers each question with the next of its answers, and the last one from then
    on.
    """

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@asynccontextmanager
async def outgoing(*answers: Sequence[str]) -> AsyncIterator[tuple[Outgoing, Names]]:
    names = Names(*answers)
    client = Outgoing([THIS_SERVER], resolve=names.resolve, tls=AUTHORITIES)
    try:
        yield client, names
    finally:
        await client.close()


def test_an_address_that_is_not_public_is_refused_when_it_is_configured() -> None:
    for address in NOT_PUBLIC:
        for ending in ("", ":443", ":8443"):
            url = f"https://{literal(address)}{ending}/feed.ics"
            assert check_address(url, Networks()) is not None, url
        assert check_address(f"http://{literal(address)}/feed.ics", Networks()) is not None, address


def refused(got: Answer | Unanswered) -> bool:
    return isinstance(got, Unanswered) and got.reason is Reason.REFUSED


async def test_a_literal_that_is_not_public_is_never_called() -> None:
    async with outgoing(()) as (client, names):
        for address in NOT_PUBLIC:
            for url in (f"https://{literal(address)}/", f"http://{literal(address)}/"):
                assert refused(await client.get(url, headers={}, limits=FEED_LIMITS)), url
                posted = await client.post(url, headers={}, body=b"{}", limits=WEBHOOK_LIMITS)
                assert refused(posted), url
        assert names.asked == []


async def test_a_name_of_an_address_that_is_not_public_is_never_called() -> None:
    """Also where only one of the name's addresses is of that kind, and also by plain http."""
    for address in NOT_PUBLIC:
        for addresses in ((address,), ("127.0.0.1", address), (address, "127.0.0.1")):
            async with outgoing(addresses) as (client, _):
                for url in ("https://feeds.example/", "http://feeds.example/"):
                    got = await client.get(url, headers={}, limits=FEED_LIMITS)
                    assert got == REFUSED, address
                    posted = await client.post(url, headers={}, body=b"", limits=WEBHOOK_LIMITS)
                    assert posted == REFUSED, address


async def test_no_redirect_leads_to_an_address_that_is_not_public() -> None:
    for address in NOT_PUBLIC:
        for_literal = redirect(f"https://{literal(address)}/latest/meta-data/")
        async with served(for_literal) as server, outgoing(()) as (client, _):
            got = await client.get(server.url, headers={}, limits=FEED_LIMITS)
            assert refused(got), address
            assert server.connections == 1


async def test_no_redirect_leads_to_a_name_of_an_address_that_is_not_public() -> None:
    async with served(redirect("https://elsewhere.example/")) as server:
        for address in NOT_PUBLIC:
            async with outgoing(("127.0.0.1",), (address,)) as (client, names):
                named = f"http://feeds.example:{server.port}/"
                got = await client.get(named, headers={}, limits=FEED_LIMITS)
                assert got == REFUSED, address
                assert names.asked == ["feeds.example", "elsewhere.example"]


async def test_a_name_that_is_rebound_is_judged_for_each_connection() -> None:
    """The connection is made to what was judged, although DNS would answer differently by then."""
    async with served(answer(b"hello")) as server:
        for number, address in enumerate(NOT_PUBLIC, start=1):
            async with outgoing(("127.0.0.1",), (address,)) as (client, names):
                named = f"http://feeds.example:{server.port}/"
                first = await client.get(named, headers={}, limits=FEED_LIMITS)
                assert isinstance(first, Answer)
                assert first.body == b"hello"
                assert names.asked == ["feeds.example"]
                got = await client.get(named, headers={}, limits=FEED_LIMITS)
                assert got == REFUSED, address
                assert server.connections == number


def test_public_addresses_may_be_called() -> None:
    for address in PUBLIC:
        assert Networks().may_reach(ip_address(address)), address
        assert check_address(f"https://{literal(address)}/feed.ics", Networks()) is None
        assert check_address(f"http://{literal(address)}/feed.ics", Networks()) is not None


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",  # 127.0.0.1 as one number, decimal, hexadecimal, octal
        "0x7f000001",
        "0x7F000001",
        "017700000001",
        "0x",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "00000127.0.0.1",
        "127.0.0.1.",
        "256.0.0.1",
        "1.2.3.4.5",
        "169.254.43518",
        "example.0x1",
        "①②⑦.⓪.⓪.①",
        "\uff11\uff12\uff17.0.0.1",
        "127。0。0。1",
        "[::1%25lo]",
        "[fe80::1%eth0]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::FFFF:7F00:1]",
        "[::1",
        "::1",
        "[v1.fe80::1]",
        "",
        ".",
        "..",
        "a..b",
        "-",
        "%31%32%37.0.0.1",
        "localhost%00.example",
        "exa mple.com",
        "example.com\t",
        "example.com\\@127.0.0.1",
        "user@example.com",
        "user:secret@example.com",
        ":@example.com",
        "example.com:22",
        "example.com:25",
        "example.com:0",
        "example.com:65536",
        "example.com:99999999999",
        "example.com:-443",
        "example.com:١٢٣",
        "a" * 64,
        "a." * 127 + "com",
    ],
)
async def test_no_odd_spelling_gets_around_the_check(host: str) -> None:
    asked: list[str] = []

    def resolve(name: str, port: int) -> Sequence[str]:
        asked.append(name)
        return ("127.0.0.1",)

    assert check_address(f"https://{host}/", Networks()) is not None
    client = Outgoing(resolve=resolve, tls=AUTHORITIES)
    try:
        got = await client.get(f"https://{host}/", headers={}, limits=FEED_LIMITS)
        assert refused(got)
        assert asked == []
    finally:
        await client.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "https:",
        "https:///feed.ics",
        "https:example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "unix:///run/redis.sock",
        "javascript:alert(1)",
        "http://example.com/",
        " https://example.com/",
        "https://example.com/\r\nHost: other",
        "https://example.com/\x00",
        "https://example.com/" + "a" * 2_000,
    ],
)
def test_only_https_addresses_of_a_sane_length_are_called(url: str) -> None:
    assert check_address(url, Networks()) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTPS://Example.COM/",
        "https://example.com./feed.ics",
        "https://example.com:443/",
        "https://example.com:8443/a?b=c#d",
        "https://faß.de/ä?ö=ü",
        "https://calendar.google.com/calendar/ical/someone%40gmail.com/private-0/basic.ics",
        "https://a_b.example/",
        "https://feeds",
        "https://123.example/",
    ],
)
def test_usual_addresses_may_be_called(url: str) -> None:
    assert check_address(url, Networks()) is None


def test_a_listed_network_may_be_called_and_no_other() -> None:
    networks = Networks([ip_network("10.1.0.0/16"), ip_network("fd00:1::/64")])
    assert check_address("https://10.1.2.3/", networks) is None
    assert check_address("https://[::ffff:10.1.2.3]/", networks) is None
    assert check_address("https://[fd00:1::7]/", networks) is None
    assert check_address("https://10.2.0.1/", networks) is not None
    assert check_address("https://[fd00:2::7]/", networks) is not None
    # plain http is for this machine's own programs, where they are listed
    assert check_address("http://10.1.2.3/", networks) is not None
    assert check_address("http://feeds.example/", networks) is not None
    own = Networks([ip_network("127.0.0.0/8"), ip_network("::1/128")])
    assert check_address("http://127.0.0.1:8000/", own) is None
    assert check_address("http://[::1]:8000/", own) is None
    assert check_address("http://localhost:8000/", own) is None
    assert check_address("http://8.8.8.8/", own) is not None


async def test_plain_http_reaches_nothing_but_this_machine() -> None:
    async with outgoing(("8.8.8.8",)) as (client, _):
        assert await client.get("http://feeds.example/", headers={}, limits=FEED_LIMITS) == REFUSED


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/",  # no longer protected
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://user@example.com/",
        "https://example.com:22/",
        "https://[::1",
        "//169.254.169.254/",
        "https://2130706433/",
    ],
)
async def test_a_redirect_obeys_the_same_rules(location: str) -> None:
    async with served(redirect(location)) as server, outgoing(("8.8.8.8",)) as (client, _):
        got = await client.get(server.url, headers={}, limits=FEED_LIMITS)
        assert refused(got)
        assert server.connections == 1


async def test_this_machine_is_not_reached_by_the_name_that_the_system_resolves() -> None:
    async with served(answer(b"secret")) as server:
        client = Outgoing(tls=AUTHORITIES)
        try:
            for name in ("localhost", "LOCALHOST."):
                url = f"https://{name}:{server.port}/"
                assert await client.get(url, headers={}, limits=FEED_LIMITS) == REFUSED
        finally:
            await client.close()
        assert server.connections == 0


async def test_a_name_that_does_not_exist_looks_like_one_that_is_refused() -> None:
    client = Outgoing(tls=AUTHORITIES)
    try:
        url = "https://no-such-name.invalid/"
        got = await client.get(url, headers={}, limits=FEED_LIMITS)
        # a machine without DNS can't tell
        assert got in (
            REFUSED,
            Unanswered(reason=Reason.UNREACHABLE, problem="The connection failed."),
        )
    finally:
        await client.close()
