"""Which proxy a request takes: the settings' own, or else those of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.request import getproxies

import httpx

from flame_node_agent.config.outbound import ProxySettings
from flame_node_agent.errors import SettingsError, SettingsProblem
from flame_node_agent.hub.exemptions import SCHEMES, Exemptions, split


@dataclass(frozen=True)
class ProxyRoutes:
    """The proxies, and who is asked without them."""

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By ``http://``, ``https://`` or ``all://``, in httpx' notation; a URL may hold credentials."""
    exempt: Exemptions = field(default_factory=Exemptions)

    def proxy_for(self, url: str) -> str | None:
        """The proxy that a request to ``url`` takes; None when it goes directly."""
        address = httpx.URL(url)
        if self.goes_directly(address):
            return None
        return self.proxies.get(f"{address.scheme}://") or self.proxies.get("all://")

    def goes_directly(self, url: httpx.URL) -> bool:
        """Whether a server is asked without a proxy, whatever proxies there are."""
        return is_nearby(url.host) or self.exempt.cover(url)


def proxy_routes(settings: ProxySettings) -> ProxyRoutes:
    """Read the settings and the environment.

    The settings win over HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, which are then not even looked at; one proxy that is
    set alone serves both schemes (FLAME Node Result Service). NO_PROXY exempts hosts either way, as it does there.

    Raises:
        SettingsError: a proxy of the environment is of a kind that is not supported.
    """
    environment = getproxies()
    exempt = split(environment.get("no", ""))
    own = _from_settings(settings)
    if not own and "*" in exempt:
        return ProxyRoutes()
    proxies = own or _from_environment(environment)
    if not proxies:
        return ProxyRoutes()
    return ProxyRoutes(proxies, Exemptions.of([entry for entry in exempt if entry != "*"]))


def is_nearby(host: str) -> bool:
    """Whether a host is on the node's own network: a name without a dot, such as ``keycloak`` in a stack of containers.

    No proxy outside knows such names.
    """
    return "." not in host and ":" not in host


def _from_settings(settings: ProxySettings) -> dict[str, str]:
    http, https = settings.http_url or settings.https_url, settings.https_url or settings.http_url
    if http is None or https is None:
        return {}
    return {"http://": http.get_secret_value(), "https://": https.get_secret_value()}


def _from_environment(environment: dict[str, str]) -> dict[str, str]:
    routes = {}
    for scheme in SCHEMES:
        if not (proxy := environment.get(scheme)):
            continue
        url = proxy if "://" in proxy else f"http://{proxy}"
        if not url.lower().startswith(("http://", "https://")):
            problem = "names a proxy that is neither http nor https; set PROXY__HTTP_URL or PROXY__HTTPS_URL"
            raise SettingsError([SettingsProblem(f"{scheme.upper()}_PROXY", problem)])
        routes[f"{scheme}://"] = url
    return routes
