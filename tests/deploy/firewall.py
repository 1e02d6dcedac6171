"""What an engine changes of the machine's network, and how the tests put it back."""

from __future__ import annotations

import ipaddress
import pickle
import shlex
import socket
import struct
from pathlib import Path

from tests.deploy.machine import run

_PROGRAMS = ("iptables", "ip6tables")
_TABLES = ("filter", "nat", "raw", "mangle")
_FORWARDING = (Path("/proc/sys/net/ipv4/ip_forward"), Path("/proc/sys/net/ipv6/conf/all/forwarding"))
_KEPT = Path("/run/flame-node-test-deploy.firewall")
_POOLS = ("10.213.0.0/16", "10.113.0.0/16", "172.29.0.0/16", "192.168.128.0/17")


class Firewall:
    """Rules, bridges and forwarding as they were; ``put_back`` takes away what has come since."""

    def __init__(self) -> None:
        self._rules = {each: _rules(*each) for each in _each_table()}
        self._bridges = _bridges()
        self._forwarding = {path: path.read_text() for path in _FORWARDING if path.exists()}

    def keep(self) -> None:
        """Write it down, for the case that this run is killed before it can put anything back."""
        _KEPT.write_bytes(pickle.dumps(self))

    @staticmethod
    def kept() -> Firewall | None:
        """What a run has written down that was killed; such a file is root's own, in a folder of this start."""
        return pickle.loads(_KEPT.read_bytes()) if _KEPT.exists() else None

    def remains(self) -> list[str]:
        """What has come since and is still there; rules of another engine that this one has removed do not count."""
        rules = [
            f"{program} -t {table} {rule}"
            for (program, table), before in self._rules.items()
            for rule in set(_rules(program, table)) - set(before)
        ]
        forwarding = [str(path) for path, value in self._forwarding.items() if path.read_text() != value]
        return [*rules, *sorted(_bridges() - self._bridges), *forwarding]

    def put_back(self) -> None:
        """Remove rules, chains and bridges that were not there, and set what has been set otherwise."""
        for (program, table), before in self._rules.items():
            now = _rules(program, table)
            new = [shlex.split(rule) for rule in now if rule not in before]
            for rule in new:
                if rule[0] == "-A":
                    run(program, "-t", table, "-D", *rule[1:], check=False)
            for rule in new:
                if rule[0] == "-N":
                    run(program, "-t", table, "-F", rule[1], check=False)
            for rule in new:
                if rule[0] == "-N":
                    run(program, "-t", table, "-X", rule[1], check=False)
            for rule in before:
                if rule.startswith("-P ") and rule not in now:
                    run(program, "-t", table, *shlex.split(rule), check=False)
        for bridge in _bridges() - self._bridges:
            run("ip", "link", "delete", bridge, check=False)
        for path, value in self._forwarding.items():
            path.write_text(value)
        _KEPT.unlink(missing_ok=True)


def free_pool() -> str:
    """A range of addresses that no route of this machine leads to."""
    routes = _routes()
    for pool in _POOLS:
        network = ipaddress.IPv4Network(pool)
        if not any(network.overlaps(route) for route in routes):
            return pool
    raise RuntimeError(f"this machine has routes to all of {', '.join(_POOLS)}")


def _each_table() -> list[tuple[str, str]]:
    return [(program, table) for program in _PROGRAMS for table in _TABLES]


def _rules(program: str, table: str) -> list[str]:
    """As ``iptables -S`` writes them; nothing where the kernel has no such table."""
    said = run(program, "-t", table, "-S", check=False)
    return [line for line in said.splitlines() if line.startswith(("-A ", "-N ", "-P "))]


def _bridges() -> set[str]:
    return {path.parent.name for path in Path("/sys/class/net").glob("*/bridge")}


def _routes() -> list[ipaddress.IPv4Network]:
    """Of /proc/net/route: addresses are numbers in the machine's own order of bytes; 0.0.0.0/0 is left out."""
    found = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (socket.inet_ntoa(struct.pack("=I", int(fields[at], 16))) for at in (1, 7))
        if mask != "0.0.0.0":
            found.append(ipaddress.IPv4Network(f"{address}/{mask}", strict=False))
    return found
