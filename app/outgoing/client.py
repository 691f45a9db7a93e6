"""The HTTP client for addresses of others: judged, pinned, and bounded in time and size.

Everything that a peer or the network does is a value: an `Answer`, whatever its status, or
`Unanswered`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final, TypeAlias
from urllib.parse import urljoin

import httpcore
import httpx
from httpcore import AnyIOBackend

from app import __version__
from app.core.sentences import Sentence
from app.outgoing.addresses import Target, target_of
from app.outgoing.networks import Address, Network, Networks, address_of

_REDIRECTS: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_MOST_REDIRECTS: Final = 5

_MOST_ADDRESSES: Final = 4
"""Of one name that are tried, one after the other; each has its share of the time to connect."""

_RESOLVING_THREADS: Final = 32
_SILENT_THREADS: Final = 4
"""For each purpose: the system's resolver blocks its thread for half a minute where a name server
is silent. Names whose servers were silent last time have threads of their own, so that however many
there are, other names don't wait for them.
"""

_SILENT_SECONDS: Final = 600.0
_MOST_SILENT: Final = 10_000
"""For how long a name counts as silent, and how many names."""

_KEPT_CONNECTIONS: Final = 100
_KEPT_SECONDS: Final = 30.0
_LONGEST_HEADER: Final = 1_000
_ANY_ZLIB: Final = 32 + zlib.MAX_WBITS
"""Finds out whether the data is in gzip's or in zlib's format."""


class Purpose(StrEnum):
    """What requests are for. Names are resolved for each in threads of its own."""

    WEBHOOK = "webhook"
    FEED = "feed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one request, redirects included."""

    purpose: Purpose
    connect_seconds: float
    """For resolving the name and connecting, and again for the TLS handshake."""
    first_byte_seconds: float
    """For sending the request and receiving the head of the answer, once connected."""
    whole_seconds: float
    most_bytes: int
    """Of the answer's body, after decompression. The rest is not read."""


WEBHOOK_LIMITS: Final = Limits(
    purpose=Purpose.WEBHOOK,
    connect_seconds=5.0,
    first_byte_seconds=10.0,
    whole_seconds=15.0,
    most_bytes=64 * 1024,
)
FEED_LIMITS: Final = Limits(
    purpose=Purpose.FEED,
    connect_seconds=5.0,
    first_byte_seconds=10.0,
    whole_seconds=20.0,
    most_bytes=5_000_000,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the peer answered, be it success or failure."""

    status: int
    headers: Mapping[str, str]
    """By names in small letters, values cut at 1,000 characters; of several the first."""
    body: bytes
    is_cut: bool
    """Whether the body was longer than the limit."""


class Reason(StrEnum):
    """Why there is no answer."""

    REFUSED = "refused"  # by our rules, before a connection was made
    UNREACHABLE = "unreachable"  # no name, no connection, no TLS
    LATE = "late"
    BROKEN = "broken"  # the connection broke, or what came is not HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """`problem` is a short English sentence without addresses: it may be stored and shown."""

    reason: Reason
    problem: str


_Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""The IP addresses of a name; none where the name has none. Raises OSError where DNS fails. It runs
in a thread, and may block that.
"""

_NOT_PUBLIC: Final = Unanswered(
    reason=Reason.REFUSED, problem="The host has no address that may be called."
)
"""The same for a name that does not exist, so that nobody can list the names of our network."""

_CUT_OFF: Final = Unanswered(
    reason=Reason.BROKEN, problem="The connection broke before the answer's end."
)

# What each exception of the HTTP library says. The order matters: the first that fits is taken.
_PROBLEMS: Final[Sequence[tuple[type[Exception], Unanswered]]] = (
    (
        httpcore.ConnectTimeout,
        Unanswered(reason=Reason.LATE, problem="The connection took too long."),
    ),
    (
        httpcore.TimeoutException,
        Unanswered(reason=Reason.LATE, problem="The server took too long to answer."),
    ),
    (
        httpcore.ConnectError,
        Unanswered(reason=Reason.UNREACHABLE, problem="The connection failed."),
    ),
    (httpcore.NetworkError, _CUT_OFF),
    (OSError, _CUT_OFF),
    (
        httpcore.ProtocolError,
        Unanswered(reason=Reason.BROKEN, problem="The answer is not valid HTTP."),
    ),
)
_BAD_CERTIFICATE: Final = Unanswered(
    reason=Reason.UNREACHABLE, problem="The server's certificate is not valid."
)
_NO_TLS: Final = Unanswered(reason=Reason.UNREACHABLE, problem="The TLS handshake failed.")
_UNDECIPHERABLE: Final = Unanswered(
    reason=Reason.BROKEN, problem="The answer's compression can't be read."
)
_TOO_MANY_REDIRECTS: Final = Unanswered(
    reason=Reason.REFUSED, problem="The server redirects too often."
)
_BAD_REDIRECT: Final = Unanswered(
    reason=Reason.REFUSED, problem="The server redirects to an address that may not be called."
)
_LATE: Final = Unanswered(reason=Reason.LATE, problem="The answer took too long.")


class Outgoing:
    """Makes requests to addresses of others, and keeps connections to them for a while. It belongs
    to one event loop.

    `networks` are allowed in addition to public addresses. `resolve` replaces the system's
    resolver, `tls` the usual certificate authorities.
    """

    def __init__(
        self,
        networks: Iterable[Network] = (),
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.networks: Final = Networks(tuple(networks))
        look_up = _ask_system if resolve is None else resolve
        self._resolvers: Final = {purpose: _Resolver(look_up, purpose) for purpose in Purpose}
        self._tls = tls
        self._kept: deque[tuple[_Origin, httpcore.AsyncHTTPConnection]] = deque()

    async def get(
        self, url: str, *, headers: Mapping[str, str], limits: Limits
    ) -> Answer | Unanswered:
        """Follows redirects. The headers go to every host on the way: never put a secret there."""
        own = {**headers, "Accept-Encoding": "gzip"}
        try:
            async with asyncio.timeout(limits.whole_seconds):
                for _ in range(_MOST_REDIRECTS + 1):
                    answer = await self._request("GET", url, own, None, limits)
                    if isinstance(answer, Unanswered) or answer.status not in _REDIRECTS:
                        return answer
                    try:
                        url = urljoin(url, answer.headers.get("location", ""))
                    except ValueError:
                        return _BAD_REDIRECT
                    if isinstance(target_of(url, self.networks), Sentence):
                        return _BAD_REDIRECT
                return _TOO_MANY_REDIRECTS
        except TimeoutError:
            return _LATE

    async def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, limits: Limits
    ) -> Answer | Unanswered:
        """Follows no redirect: its answer is returned as it is. After Late and Broken the request
        may have arrived.
        """
        own = {**headers, "Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(limits.whole_seconds):
                return await self._request("POST", url, own, body, limits)
        except TimeoutError:
            return _LATE

    async def close(self) -> None:
        """Closes the kept connections. Names that are still being resolved are not waited for."""
        while self._kept:
            await self._kept.pop()[1].aclose()
        for resolver in self._resolvers.values():
            resolver.close()

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limits: Limits,
    ) -> Answer | Unanswered:
        target = target_of(url, self.networks)
        if isinstance(target, Sentence):
            return Unanswered(reason=Reason.REFUSED, problem=str(target))
        request = httpcore.Request(
            method,
            _httpcore_url(target),
            headers=_headers(target, headers, body),
            content=body,
            extensions={"timeout": _timeouts(limits)},
        )
        connection = await self._take(target, limits.purpose)
        try:
            return await _exchange(connection, request, limits)
        except _NotAllowedError:
            return _NOT_PUBLIC
        except zlib.error:
            return _UNDECIPHERABLE
        except tuple(kind for kind, _ in _PROBLEMS) as error:
            return _problem(error)
        finally:
            await self._keep(target, connection)

    async def _take(self, target: Target, purpose: Purpose) -> httpcore.AsyncHTTPConnection:
        """A kept connection to this host, the one that was used last, or a new one. The library's
        pool looks at all of its connections, several times for each request.
        """
        origin = (target.scheme, target.host, target.port)
        for place in range(len(self._kept) - 1, -1, -1):
            if self._kept[place][0] != origin:
                continue
            connection = self._kept[place][1]
            del self._kept[place]
            if not connection.has_expired():
                return connection
            await connection.aclose()
            break
        if self._tls is None:  # reading the certificate authorities takes a while
            self._tls = httpx.create_ssl_context()
        judge = {
            "https": self.networks.may_reach,
            "http": self.networks.may_reach_unprotected,
        }[target.scheme]
        return httpcore.AsyncHTTPConnection(
            _httpcore_url(target).origin,
            ssl_context=self._tls,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=_JudgingBackend(self._resolvers[purpose], judge),
        )

    async def _keep(self, target: Target, connection: httpcore.AsyncHTTPConnection) -> None:
        """For the next request to this host; the one that was kept longest makes room."""
        if connection.is_closed() or not connection.is_idle():
            await connection.aclose()
            return
        self._kept.append(((target.scheme, target.host, target.port), connection))
        if len(self._kept) > _KEPT_CONNECTIONS:
            await self._kept.popleft()[1].aclose()


def _ask_system(host: str, port: int) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}:
            return ()
        raise
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class _Resolver:
    """Resolves the names of one purpose, so that silent name servers keep nothing else waiting."""

    def __init__(self, look_up: Resolve, purpose: Purpose) -> None:
        self._look_up = look_up
        self._usual = ThreadPoolExecutor(_RESOLVING_THREADS, f"resolve-{purpose}")
        self._slow = ThreadPoolExecutor(_SILENT_THREADS, f"resolve-silent-{purpose}")
        self._silent: dict[str, float] = {}
        """Until when each name counts as silent, in the loop's time."""

    async def resolve(self, host: str, port: int, ends_at: float) -> Sequence[str]:
        """Raises `TimeoutError`, and what the look-up raises. A look-up that has not begun by then
        never does.
        """
        loop = asyncio.get_running_loop()
        is_silent = self._silent.get(host, 0.0) > loop.time()
        threads = self._slow if is_silent else self._usual
        try:
            async with asyncio.timeout_at(ends_at):
                found = await loop.run_in_executor(threads, self._look_up, host, port)
        except TimeoutError:
            self._silent.pop(host, None)
            self._silent[host] = loop.time() + _SILENT_SECONDS
            if len(self._silent) > _MOST_SILENT:
                del self._silent[next(iter(self._silent))]
            raise
        self._silent.pop(host, None)
        return found

    def close(self) -> None:
        """Look-ups that run are not waited for."""
        for threads in (self._usual, self._slow):
            threads.shutdown(wait=False, cancel_futures=True)


class _NotAllowedError(Exception):
    """The host has no address, or one that may not be connected to."""


class _JudgingBackend(AnyIOBackend):
    """Resolves a name once, judges all of its addresses, and connects to those."""

    def __init__(self, resolver: _Resolver, may_reach: Callable[[Address], bool]) -> None:
        self._resolver = resolver
        self._may_reach = may_reach

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The host is refused where any of its addresses is: no honest name has such a mixture."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + (timeout or 0)
        addresses = await self._addresses(host, port, ends_at)
        if not addresses or not all(self._may_reach(address) for address in addresses):
            raise _NotAllowedError
        addresses = addresses[:_MOST_ADDRESSES]
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for left in range(len(addresses), 0, -1):
            try:
                return await super().connect_tcp(
                    str(addresses[-left]),
                    port,
                    max(0.0, ends_at - loop.time()) / left,
                    local_address,
                    socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError

    async def _addresses(self, host: str, port: int, ends_at: float) -> Sequence[Address]:
        literal = address_of(host)
        if literal is not None:
            return (literal,)
        try:
            texts = await self._resolver.resolve(host, port, ends_at)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error
        addresses = [address_of(text) for text in texts]
        if None in addresses:  # with a zone id: link-local
            raise _NotAllowedError
        return [address for address in addresses if address is not None]


def _timeouts(limits: Limits) -> dict[str, float]:
    return {
        "connect": limits.connect_seconds,
        "read": limits.first_byte_seconds,
        "write": limits.first_byte_seconds,
    }


def _httpcore_url(target: Target) -> httpcore.URL:
    return httpcore.URL(
        scheme=target.scheme.encode(),
        host=target.host.encode(),
        port=target.port,
        target=target.path.encode(),
    )


def _headers(
    target: Target, given: Mapping[str, str], body: bytes | None
) -> list[tuple[bytes, bytes]]:
    host = f"[{target.host}]" if ":" in target.host else target.host
    usual = {"https": 443, "http": 80}[target.scheme] == target.port
    own = {"Host": host if usual else f"{host}:{target.port}", **given}
    own["User-Agent"] = f"Slotwright/{__version__}"
    if body is not None:
        own["Content-Length"] = str(len(body))
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in own.items()]


async def _exchange(
    connection: httpcore.AsyncHTTPConnection, request: httpcore.Request, limits: Limits
) -> Answer | Unanswered:
    try:
        async with asyncio.timeout(2 * limits.connect_seconds + limits.first_byte_seconds):
            response = await connection.handle_async_request(request)
    except TimeoutError:
        return _LATE
    try:
        return await _read(response, limits.most_bytes)
    finally:
        await response.aclose()


async def _read(response: httpcore.Response, most_bytes: int) -> Answer:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        headers.setdefault(name.decode("ascii").lower(), value.decode("latin-1")[:_LONGEST_HEADER])
    stream = response.aiter_stream()
    encoding = headers.get("content-encoding", "identity").strip().lower()
    body, is_cut = await _body(stream, encoding, most_bytes)
    return Answer(status=response.status, headers=headers, body=body, is_cut=is_cut)


async def _body(stream: AsyncIterable[bytes], encoding: str, most_bytes: int) -> tuple[bytes, bool]:
    """The body, decompressed, and whether it was cut. No more than the limit is ever read or made.
    Raises `zlib.error`.
    """
    if encoding not in {"identity", "gzip", "x-gzip", "deflate", ""}:
        raise zlib.error
    unpack = None if encoding in {"identity", ""} else zlib.decompressobj(_ANY_ZLIB)
    body = bytearray()
    received = 0
    async for chunk in stream:
        received += len(chunk)
        room = most_bytes + 1 - len(body)
        body += chunk[:room] if unpack is None else unpack.decompress(chunk, room)
        if len(body) > most_bytes or received > most_bytes:
            return bytes(body[:most_bytes]), True
    if unpack is not None and received and (not unpack.eof or unpack.unused_data):
        raise zlib.error  # incomplete, or followed by something else
    return bytes(body), False


def _problem(error: Exception) -> Unanswered:
    """The library hides the ssl module's errors behind its own: they are their contexts."""
    cause: BaseException | None = error if isinstance(error, httpcore.ConnectError) else None
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _BAD_CERTIFICATE
        if isinstance(cause, ssl.SSLError):
            return _NO_TLS
        cause = cause.__cause__ or cause.__context__
    return next(said for kind, said in _PROBLEMS if isinstance(error, kind))
