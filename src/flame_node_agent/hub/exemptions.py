"""Who is asked without the proxy: the entries of NO_PROXY.

There is no standard for them. Understood is what curl, Go and httpx have in common: names, with a port or without,
``*.`` or ``.`` in front for what is below a name alone, addresses, and networks in CIDR form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import httpx

SCHEMES = ("http", "https", "all")
HIGHEST_PORT = 65535
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Exemption:
    """One entry that could be read."""

    scheme: str = "all"
    port: int | None = None
    network: IPv4Network | IPv6Network | None = None
    """Of addresses; one alone is a network as well."""
    name: str = ""
    itself: bool = True
    """Whether the name itself is meant, not only what is below it."""
    below: bool = True

    def covers(self, url: httpx.URL) -> bool:
        """Whether a server is meant. Only hosts that are given as addresses are in a network: no name is looked up."""
        if self.scheme not in {"all", url.scheme} or self.port not in {
            None,
            url.port or _PORTS.get(url.scheme),
        }:
            return False
        host = url.host.removesuffix(".")
        if self.network is not None:
            try:
                return ip_address(host) in self.network
            except ValueError:
                return False
        return (self.itself and host == self.name) or (self.below and host.endswith(f".{self.name}"))


@dataclass(frozen=True)
class Exemptions:
    """All entries."""

    readable: tuple[Exemption, ...] = ()
    unusable: tuple[str, ...] = ()
    """As they were written."""

    @classmethod
    def of(cls, entries: list[str]) -> Exemptions:
        """Read what can be read."""
        readable, unusable = [], []
        for entry in entries:
            try:
                readable.append(_read(entry))
            except (ValueError, httpx.InvalidURL):
                unusable.append(entry)
        return cls(tuple(readable), tuple(unusable))

    def cover(self, url: httpx.URL) -> bool:
        """Whether any entry means this server."""
        return any(exemption.covers(url) for exemption in self.readable)


def split(no_proxy: str) -> list[str]:
    """The entries of NO_PROXY, between commas or white space, as curl takes them."""
    return [entry for entry in re.split(r"[,\s]+", no_proxy) if entry]


def _read(entry: str) -> Exemption:
    """Raises ValueError or httpx.InvalidURL when it is not understood."""
    scheme, has_scheme, rest = entry.rpartition("://")
    scheme = scheme.lower() if has_scheme else "all"
    if scheme not in SCHEMES:
        raise ValueError(entry)
    rest = rest.removesuffix("/")
    if "/" in rest or (rest.count(":") > 1 and "]:" not in rest):
        return Exemption(scheme, network=ip_network(rest.replace("[", "").replace("]", ""), strict=False))
    name = rest.removeprefix("*").removeprefix(".")
    url = httpx.URL(f"all://{name}")  # a scheme without a default port, so that one that is written stays
    if not url.host or url.userinfo or url.raw_path not in {b"", b"/"} or not _is_plain(url):
        raise ValueError(entry)
    try:
        return Exemption(scheme, url.port, network=ip_network(url.host))
    except ValueError:
        return Exemption(
            scheme,
            url.port,
            name=url.host.removesuffix("."),
            itself=not rest.startswith((".", "*.")),
            below=rest.startswith((".", "*")) or not has_scheme,  # a URL means its own host (httpx)
        )


def _is_plain(url: httpx.URL) -> bool:
    port_fits = url.port is None or 1 <= url.port <= HIGHEST_PORT
    return port_fits and re.fullmatch(rb"[\w.:-]+", url.raw_host) is not None
