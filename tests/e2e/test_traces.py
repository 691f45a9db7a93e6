"""Traces leave the processes as OpenTelemetry's collectors read them: OTLP over HTTP, nested spans,
no personal data.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.builders import a_provider, made
from tests.e2e.program import running
from tests.e2e.served import free_ports, processes
from tests.integration.live.subscriber import until

BOOK = """
    mutation BookForKim($input: BookAppointmentInput!) {
        mine: bookAppointment(input: $input) { __typename ... on BookingConfirmation { manageToken } }
    }
"""


@dataclass(frozen=True, slots=True)
class Collector:
    """What came in, by the service that sent it."""

    address: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self, service: str) -> list[Span]:
        found: list[Span] = []
        for body in self.bodies:
            for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = [
                    said.value.string_value
                    for said in each.resource.attributes
                    if said.key == "service.name"
                ]
                if names == [service]:
                    found.extend(span for scope in each.scope_spans for span in scope.spans)
        return found


@contextmanager
def a_collector() -> Iterator[Collector]:
    """A server that takes OTLP over HTTP, and keeps it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert (self.path, self.headers["Content-Type"]) == (
                "/v1/traces",
                "application/x-protobuf",
            )
            collector.bodies.append(
                gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            )
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_said: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


async def test_a_request_and_a_job_are_spans_with_their_transactions_inside(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with a_collector() as collector:
        env = environment | {
            "SLOTWRIGHT_TRACES": "on",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        async with processes(env, tmp_path, count=1) as (api,):
            ada = await a_provider(api)
            (slot,) = (
                await api.ask(
                    "query ($id: ID!) { provider(id: $id) { nextAvailableSlot { startsAt } } }",
                    id=ada["id"],
                )
            )["provider"].values()
            wish = {
                "providerId": ada["id"],
                "startsAt": slot["startsAt"],
                "customer": {
                    "name": "Kim Miller",
                    "email": "kim@example.com",
                    "phone": "+4930901820",
                },
                "customerTimeZone": "Europe/Berlin",
                "notes": "Ring twice",
                "idempotencyKey": "a-key-of-kim",
            }
            token = made((await api.ask(BOOK, input=wish))["mine"], "BookingConfirmation")[
                "manageToken"
            ]
            await until(
                lambda: any(
                    span.name == "bookAppointment" for span in collector.spans("slotwright-api")
                )
            )
        spans = collector.spans("slotwright-api")
        (booking,) = (span for span in spans if span.name == "bookAppointment")
        assert [(said.key, said.value.string_value) for said in booking.attributes] == [
            ("transport", "http")
        ]
        assert booking.parent_span_id == b""
        (inside,) = (span for span in spans if span.parent_span_id == booking.span_id)
        assert (inside.name, inside.trace_id) == ("transaction", booking.trace_id)
        assert booking.start_time_unix_nano <= inside.start_time_unix_nano
        assert inside.end_time_unix_nano <= booking.end_time_unix_nano
        assert {"createProvider", "provider"} <= {
            span.name for span in spans if not span.parent_span_id
        }

        with running("work", env=env, log=tmp_path / "worker.log") as worker:
            worker.wait_until_said("the worker runs")
            await until(
                lambda: any(
                    span.name == "send_messages" for span in collector.spans("slotwright-worker")
                )
            )
            assert worker.end() == 0

        said = b"\n".join(collector.bodies)
        for secret in (
            "Kim",
            "kim@example.com",
            "+4930901820",
            "Ring twice",
            "a-key-of-kim",
            token,
            ada["name"],
            "mine",
        ):
            assert secret.encode() not in said, secret


async def test_a_collector_that_is_away_holds_no_end_up(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The exporter itself would try for many seconds."""
    (nobodys,) = free_ports(1)
    env = environment | {
        "SLOTWRIGHT_TRACES": "on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{nobodys}",
    }
    async with processes(env | {"SLOTWRIGHT_GRACE_SECONDS": "2"}, tmp_path, count=1) as (api,):
        await api.ask("{ viewer { role } }")
        (process,) = (child for child in psutil.Process().children() if "serve" in child.cmdline())
        process.terminate()
        await asyncio.to_thread(process.wait, 3)
