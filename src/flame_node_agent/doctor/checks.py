"""All checks, in the order in which they are told: what others depend on comes first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from flame_node_agent.doctor.certificates import check_tls
from flame_node_agent.doctor.configuration import check_kit_file, check_settings
from flame_node_agent.doctor.containers import check_containers, check_published, check_release, check_restart
from flame_node_agent.doctor.data_access import check_data_access
from flame_node_agent.doctor.findings import Finding
from flame_node_agent.doctor.ground import Ground, Service
from flame_node_agent.doctor.host import check_disk, check_engine, check_volumes
from flame_node_agent.doctor.hub import check_aes_key, check_api_key, check_clock, check_hub, check_identity
from flame_node_agent.doctor.network import check_dns, check_fl_server, check_proxy
from flame_node_agent.doctor.omop import check_omop_role
from flame_node_agent.doctor.results import check_flame_hub, check_object_store, check_oidc
from flame_node_agent.doctor.state import check_database

_AGENT, _DATA_ACCESS = frozenset({Service.AGENT}), frozenset({Service.DATA_ACCESS})
_BOTH, _HOST = _AGENT | _DATA_ACCESS, frozenset({Service.HOST})


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    services: frozenset[Service]
    run: Callable[[Ground], Awaitable[Finding]]
    needs_settings: bool = True


CHECKS = (
    Check("engine", _HOST, check_engine),
    Check("containers", _HOST, check_containers),
    Check("settings", _BOTH, check_settings, needs_settings=False),
    Check("kit", _BOTH | _HOST, check_kit_file, needs_settings=False),
    Check("dns", _BOTH, check_dns),
    Check("proxy", _AGENT, check_proxy),
    Check("tls", _AGENT, check_tls),
    Check("hub", _AGENT, check_hub),
    Check("clock", _AGENT, check_clock),
    Check("api-key", _AGENT, check_api_key),
    Check("identity", _AGENT, check_identity),
    Check("aes-key", _AGENT, check_aes_key),
    Check("flame-hub", _AGENT, check_flame_hub),
    Check("oidc", _AGENT, check_oidc),
    Check("object-store", _AGENT, check_object_store),
    Check("database", _BOTH, check_database),
    Check("data-access", _AGENT, check_data_access),
    Check("omop-role", _DATA_ACCESS, check_omop_role),
    Check("fl-server", _AGENT, check_fl_server, needs_settings=False),
    Check("disk", _BOTH | _HOST, check_disk, needs_settings=False),
    Check("volumes", _HOST, check_volumes),
    Check("published", _BOTH | _HOST, check_published, needs_settings=False),
    Check("restart", _HOST, check_restart),
    Check("release", _HOST, check_release),
)
