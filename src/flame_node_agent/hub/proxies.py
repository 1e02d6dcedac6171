"""Which proxy a request takes: the settings' own, or else those of the environment."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.request import getproxies

from flame_node_agent.config.outbound import ProxySettings
from flame_node_agent.errors import SettingsError, SettingsProblem

SCHEMES = ("http", "https", "all")


def proxy_routes(settings: ProxySettings) -> dict[str, str | None]:
    """Map URL patterns in httpx' notation to a proxy URL, which may hold credentials, or to None for "directly".

    The settings win over HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, which are then not even looked at; one proxy that is
    set alone serves both schemes (FLAME Node Result Service). NO_PROXY exempts hosts either way, as it does there.

    Raises:
        SettingsError: a proxy of the environment is of a kind that is not supported.
    """
    environment = getproxies()
    exempt = [host.strip() for host in environment.get("no", "").split(",") if host.strip()]
    own = _from_settings(settings)
    if not own and "*" in exempt:
        return {}
    routes: dict[str, str | None] = dict(own or _from_environment(environment))
    if routes:
        routes.update({_pattern(host): None for host in exempt if host != "*"})
    return routes


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


def _pattern(host: str) -> str:
    """Write one entry of NO_PROXY as a pattern: a bare domain covers what is below it, as curl does it."""
    if "://" in host:
        return host
    try:
        address = ip_address(host)
    except ValueError:
        return f"all://{host}" if host.lower() == "localhost" else f"all://*{host}"
    return f"all://[{host}]" if address.version == 6 else f"all://{host}"
