"""The firewall's rules in a network of their own: what they close, and what containers can do as before."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.machine import run

OUTSIDE, HOST, CONTAINER = "10.250.1.2", "10.250.1.1", "10.250.2.2"
SERVE = """
import socket
server = socket.create_server(("0.0.0.0", {port}))
while True:
    server.accept()[0].close()
"""
CONNECT = "import socket, sys; socket.create_connection(('{address}', {port}), {seconds}).close()"
AS_DOCKER_DOES = f"""
table ip docker {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        fib daddr type local tcp dport 8080 dnat to {CONTAINER}:80
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        ip saddr 10.250.2.0/24 oifname "to-outside" masquerade
        ip saddr 10.250.2.0/24 ip daddr 10.250.2.0/24 masquerade
    }}
}}
"""


@dataclass
class Network:
    """An outside machine, a host, and a container on the host's bridge that publishes a port."""

    provisioned: Provisioned
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def inside(self, name: str, *command: str) -> tuple[str, ...]:
        """A command in one of the three."""
        return ("ip", "netns", "exec", f"flip-{name}", *command)

    def serve(self, name: str, port: int) -> None:
        """Have somebody listen there."""
        command = self.inside(name, sys.executable, "-c", SERVE.format(port=port))
        self.servers.append(subprocess.Popen(command))
        deadline = time.monotonic() + 60
        while not self.reaches(name, "127.0.0.1", port):
            assert time.monotonic() < deadline, "nobody listens"
            time.sleep(0.1)

    def reaches(self, name: str, address: str, port: int) -> bool:
        """Whether a connection comes about."""
        text = CONNECT.format(address=address, port=port, seconds=3)
        done = subprocess.run(self.inside(name, sys.executable, "-c", text), capture_output=True, check=False)
        return done.returncode == 0

    def load(self, rules: str) -> None:
        """Load rules of nftables on the host."""
        command = self.inside("host", "chroot", str(self.provisioned.target.root), "nft", "-f", "-")
        subprocess.run(command, input=rules.encode(), check=True)


@pytest.fixture
def network(provisioned: Provisioned) -> Iterator[Network]:
    """The three, with what Docker does to publish a port."""
    made = Network(provisioned)
    try:
        for name in ("outside", "host", "container"):
            run("ip", "netns", "add", f"flip-{name}")
            run(*made.inside(name, "ip", "link", "set", "lo", "up"))
        for name, address, here in (("outside", OUTSIDE, HOST), ("container", CONTAINER, "10.250.2.1")):
            run(
                *("ip", "-n", "flip-host", "link", "add", f"to-{name}", "type", "veth"),
                *("peer", "name", "eth0", "netns", f"flip-{name}"),
            )
            run("ip", "-n", f"flip-{name}", "addr", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", f"flip-{name}", "link", "set", "eth0", "up")
            run("ip", "-n", f"flip-{name}", "route", "add", "default", "via", here)
            run("ip", "-n", "flip-host", "link", "set", f"to-{name}", "up")
        run("ip", "-n", "flip-host", "addr", "add", f"{HOST}/24", "dev", "to-outside")
        run("ip", "-n", "flip-host", "link", "add", "br-flip", "type", "bridge")
        run("ip", "-n", "flip-host", "link", "set", "to-container", "master", "br-flip")
        # One container stands for two: it reaches its own published port as another's.
        run(
            *("ip", "-n", "flip-host", "link", "set", "to-container"),
            *("type", "bridge_slave", "hairpin", "on"),
        )
        run("ip", "-n", "flip-host", "addr", "add", "10.250.2.1/24", "dev", "br-flip")
        run("ip", "-n", "flip-host", "link", "set", "br-flip", "up")
        run(*made.inside("host", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"))
        made.load(AS_DOCKER_DOES)
        made.serve("container", 80)
        made.serve("outside", 443)
        made.serve("host", 22)
        made.serve("host", 9000)
        yield made
    finally:
        for server in made.servers:
            server.kill()
            server.wait()
        for name in ("outside", "host", "container"):
            subprocess.run(["ip", "netns", "delete", f"flip-{name}"], capture_output=True, check=False)


def test_nothing_comes_in_but_ssh_and_what_containers_open_stays_open(
    network: Network, provisioned: Provisioned
) -> None:
    for port in (22, 9000, 8080):
        assert network.reaches("outside", HOST, port), f"{port} is closed before there is a firewall"
    network.load(provisioned.target.path("/etc/flip/firewall.nft").read_text())
    assert network.reaches("outside", HOST, 22)
    assert not network.reaches("outside", HOST, 9000)
    assert not network.reaches("outside", HOST, 8080), "a published port passes the firewall"
    assert network.reaches("container", OUTSIDE, 443), "the container's own way out is closed"
    assert network.reaches("container", HOST, 8080), "containers do not reach each other's published ports"
    assert network.reaches("host", CONTAINER, 80), "the host does not reach its containers"
