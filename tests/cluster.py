"""A real Redis Cluster on this machine: three masters with a replica each."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from app.child_processes import die_with_parent
from app.redis_client import BROKEN_REDIS
from app.standins.embedded import PORTS, free_port, is_free, redis_program

PASSWORD: Final = "a-password-of-the-tests"
MASTERS: Final = 3
BUS_OFFSET: Final = 10_000
PATIENCE_SECONDS: Final = 60.0


@dataclass(eq=False)
class Node:
    """One server."""

    port: int
    folder: Path
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  # one system call
            )
        wait_for(lambda: self.ask("PING"), f"the node at port {self.port}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, *command: str | int | bytes) -> Any:  # noqa: ANN401  # whatever it answers
        with Redis(port=self.port, password=PASSWORD, socket_timeout=5) as client:
            return client.execute_command(*command)

    def info(self, name: str) -> str:
        """A field of INFO; "" where there is none."""
        with Redis(port=self.port, password=PASSWORD, socket_timeout=5) as client:
            return str(client.info().get(name, ""))

    @property
    def id(self) -> str:
        return str(self.ask("CLUSTER", "MYID").decode())


class Cluster:
    """Its nodes: the masters, then the replica of each. Roles change as tests want them to."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.nodes[0].port}"

    def owner_of(self, key: str) -> Node:
        """As all nodes that run see it; waits until they do."""
        slot = key_slot(key.encode())

        def agreed() -> Node | None:
            seen = {self._owner(node, slot) for node in self.nodes if node.process is not None}
            (port,) = seen if len(seen) == 1 else (None,)
            return next((node for node in self.nodes if node.port == port), None)

        owner: Node = wait_for(agreed, "the nodes to agree")
        return owner

    def replica_of(self, master: Node) -> Node:
        """Its replica, in step with it."""

        def found() -> Node | None:
            for node in self.nodes:
                if node.process is not None and node.info("master_port") == str(master.port):
                    return node if node.info("master_link_status") == "up" else None
            return None

        replica: Node = wait_for(found, "a replica in step")
        return replica

    def cut_off(self, replica: Node) -> None:
        """It has all that its master had until now, and gets nothing from here on."""
        master = next(node for node in self.nodes if replica.info("master_port") == str(node.port))
        had = int(master.info("master_repl_offset"))
        wait_for(lambda: int(replica.info("slave_repl_offset")) >= had, "the replica to catch up")
        replica.ask("CONFIG", "SET", "masterauth", "not-the-password")
        master.ask("CLIENT", "KILL", "TYPE", "replica")
        wait_for(lambda: replica.info("master_link_status") == "down", "the cut")

    def promote(self, replica: Node, key: str) -> None:
        """It owns the key's slot from now on, whatever the others think of it."""
        replica.ask("CONFIG", "SET", "masterauth", PASSWORD)
        replica.ask("CLUSTER", "FAILOVER", "TAKEOVER")
        wait_for(lambda: self.owner_of(key) is replica, "the failover")

    @contextmanager
    def moving(self, key: str) -> Iterator[Callable[[], None]]:
        """The key's slot is on its way to another master. The call moves the keys that are there by
        now; all are, at the end.
        """
        slot, source = key_slot(key.encode()), self.owner_of(key)
        target = next(node for node in self.masters() if node is not source)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

        def move() -> None:
            while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
                where = ("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "AUTH", PASSWORD)
                source.ask(*where, "KEYS", *keys)

        try:
            yield move
        finally:
            move()
            for node in (target, source, *(set(self.masters()) - {target, source})):
                node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)
            wait_for(lambda: self.owner_of(key) is target, "the move")

    def masters(self) -> list[Node]:
        return [
            node
            for node in self.nodes
            if node.process is not None and node.info("role") == "master"
        ]

    def mend(self) -> None:
        """Every node runs, every master has a replica in step, nothing is kept."""
        for node in self.nodes:
            if node.process is None:
                node.start()
        wait_for(lambda: len(self.masters()) == MASTERS, "three masters")
        for master in self.masters():
            self.replica_of(master)
        wait_for(
            lambda: all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in self.nodes),
            "nodes that serve",
        )
        for master in self.masters():
            master.ask("FLUSHALL")

    @staticmethod
    def _owner(node: Node, slot: int) -> int | None:
        for first, last, (_, port, *_), *_ in node.ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(port)
        return None


@contextmanager
def redis_cluster(folder: Path) -> Iterator[Cluster]:
    """Started and joined; ended with the block."""
    program = redis_program()
    nodes: list[Node] = []
    try:
        for number in range(2 * MASTERS):
            place = folder / f"node-{number}"
            place.mkdir()
            nodes.append(_started(program, place))
        masters, replicas = nodes[:MASTERS], nodes[MASTERS:]
        bounds = [REDIS_CLUSTER_HASH_SLOTS * number // MASTERS for number in range(MASTERS + 1)]
        for number, master in enumerate(masters):
            master.ask("CLUSTER", "ADDSLOTS", *range(bounds[number], bounds[number + 1]))
        for node in nodes:
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", nodes.index(node) + 1)
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        for node in nodes:
            wait_for(lambda node=node: _knows_all(node, nodes), "the nodes to meet")  # type: ignore[misc]
        for master, replica in zip(masters, replicas, strict=True):
            replica.ask("CLUSTER", "REPLICATE", master.id)
        cluster = Cluster(nodes)
        cluster.mend()
        for node in nodes:
            wait_for(
                lambda node=node: b"cluster_state:ok" in node.ask("CLUSTER", "INFO"),  # type: ignore[misc]
                "the cluster",
            )
        yield cluster
    finally:
        for node in nodes:
            node.kill()


def wait_for(what: Callable[[], Any], name: str) -> Any:  # noqa: ANN401  # what it returns
    """Asks until the answer is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    failure: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if found := what():
                return found
        except (*BROKEN_REDIS, RedisError) as error:
            failure = error
        time.sleep(0.02)
    raise TimeoutError(f"{name}: {failure}")


def _started(program: Path, folder: Path) -> Node:
    port = _free_port_with_bus()
    settings = {
        "bind": "127.0.0.1",
        "port": port,
        "dir": folder,
        "requirepass": PASSWORD,
        "masterauth": PASSWORD,
        "save": '""',
        "appendonly": "no",
        "cluster-enabled": "yes",
        "cluster-config-file": "nodes.conf",
        # long: what fails over here was told to
        "cluster-node-timeout": 30_000,
        "cluster-require-full-coverage": "no",
        "repl-diskless-sync-delay": 0,
    }
    configuration = folder / "redis.conf"
    configuration.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    node = Node(port, folder, [str(program), str(configuration)])
    node.start()
    return node


def _free_port_with_bus() -> int:
    """The nodes talk to one another at the port 10,000 above; Redis 6 knows no other."""
    while True:
        port = free_port()
        if port + BUS_OFFSET in PORTS and is_free(port + BUS_OFFSET):
            return port


def _knows_all(node: Node, nodes: list[Node]) -> bool:
    with Redis(port=node.port, password=PASSWORD, socket_timeout=5) as client:
        known = client.execute_command("CLUSTER NODES")
    return len(known) == len(nodes) and not any(
        "handshake" in each["flags"] for each in known.values()
    )
