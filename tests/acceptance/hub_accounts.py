"""The hub of the live tests and the accounts at it: from the environment, or the development hub.

As for the FLAME Node Result Service's own tests, HUB__AUTH__ID and HUB__AUTH__SECRET as well as
HUB__AUTH__USERNAME and HUB__AUTH__PASSWORD have to be given to test against a hub of one's own, so that both flows
are tried; the user's account also makes what the tests need there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flame_node_agent.config.hub import HubSettings
from flame_node_agent.devstack.hub_server import PROFILES, Profile
from flame_node_agent.devstack.seed import HubSeed, default_flow
from flame_node_agent.devstack.testing import RunningHub

PASSWORD = "password"
ID, SECRET = "HUB__AUTH__ID", "HUB__AUTH__SECRET"
USERNAME, USER_PASSWORD = "HUB__AUTH__USERNAME", "HUB__AUTH__PASSWORD"
_CREDENTIALS = (ID, SECRET, USERNAME, USER_PASSWORD)
_BASE_URLS = ("HUB__CORE_BASE_URL", "HUB__STORAGE_BASE_URL", "HUB__AUTH_BASE_URL")
_WAY_THERE = ("PROXY__HTTP_URL", "PROXY__HTTPS_URL", "EXTRA_CA_CERTS")


@dataclass(frozen=True)
class Login:
    """Which hub an agent talks to and how it signs in; ``profile`` is None for the hub of the environment."""

    profile: Profile | None
    flow: str

    def __str__(self) -> str:
        return f"{self.profile or 'environment'}-{self.flow}"


@dataclass(frozen=True)
class HubAccounts:
    """Where a hub is, and the credentials of a node and of a user, as the agent's settings name them."""

    variables: Mapping[str, str]

    def settings_of(self, flow: str) -> dict[str, str]:
        """The agent's settings to sign in by ``flow``."""
        unused = (ID, SECRET) if flow == PASSWORD else (USERNAME, USER_PASSWORD)
        others = {name: value for name, value in self.variables.items() if name not in unused}
        return {**others, "HUB__AUTH__FLOW": flow}

    def url(self, service: str) -> str:
        """The base URL of a service (core, storage, auth), without a slash at its end."""
        return self.variables[f"HUB__{service.upper()}_BASE_URL"].rstrip("/")


def accounts_in(environment: Mapping[str, str]) -> HubAccounts:
    """The hub that the variables name.

    Raises ValueError when some of the credentials are missing: both flows are to be tried.
    """
    if missing := [name for name in _CREDENTIALS if not environment.get(name)]:
        raise ValueError(f"live tests sign in as a robot and as a user; also set {', '.join(missing)}")
    known = {name: environment[name] for name in (*_CREDENTIALS, *_WAY_THERE) if environment.get(name)}
    return HubAccounts({**known, **{name: environment.get(name) or _default(name) for name in _BASE_URLS}})


def accounts_of(hub: RunningHub) -> HubAccounts:
    """The accounts of a development hub."""
    seed: HubSeed = hub.seed
    return HubAccounts(
        {
            **hub.urls.variables(),
            **seed.auth_variables(PASSWORD),
            **seed.auth_variables(default_flow(hub.profile)),
        }
    )


def live_logins(environment: Mapping[str, str]) -> list[Login]:
    """Every way in which the live tests are run: a node's own account and a user's, at each hub."""
    if not any(environment.get(name) for name in _CREDENTIALS):
        return [Login(profile, flow) for profile in PROFILES for flow in (default_flow(profile), PASSWORD)]
    flow = environment.get("HUB__AUTH__FLOW", "robot")
    return [Login(None, "robot" if flow == PASSWORD else flow), Login(None, PASSWORD)]


def development_logins() -> list[Login]:
    """Every release of the development hub, signed in to as a node of its time does."""
    return [Login(profile, default_flow(profile)) for profile in PROFILES]


def _default(variable: str) -> str:
    field = HubSettings.model_fields[variable.removeprefix("HUB__").lower()]
    return str(field.default)
