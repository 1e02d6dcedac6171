"""What the checks of one run share: the settings, the connections, and one heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from flame_node_agent.config.agent_settings import AgentSettings, load_agent
from flame_node_agent.config.data_access import DataAccessSettings, load_data_access
from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.config.settings import Settings
from flame_node_agent.config.shared import ServiceSettings, SharedSettings
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.doctor.host_facts import HostFacts
from flame_node_agent.errors import KitError, SettingsError
from flame_node_agent.hub.tasks import TaskHub
from flame_node_agent.hub.transport import Transport
from flame_node_agent.kit.checks import DEFAULT_PASSWORDS, kit_secrets
from flame_node_agent.kit.kit_file import read_kit
from flame_node_agent.telemetry.redaction import secrets_in
from flame_node_agent.wire.tasks import HeartbeatAnswer


class Service(StrEnum):
    """The services that can be looked at."""

    AGENT = "agent"
    DATA_ACCESS = "data-access"
    HOST = "host"
    """The machine with all containers of the trust."""


@dataclass
class Ground:
    """Everything the checks look at."""

    service: Service
    settings_error: SettingsError | None = None
    agent: AgentSettings | None = None
    data_access: DataAccessSettings | None = None
    kit: Path | None = None
    facts: HostFacts | None = None
    """What the host has told; without it, this is a look from within one service."""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], float] = time.time
    """Seconds since 1970, as this machine has them."""
    disk_usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
    """Bytes in all, used and free of the file system that holds a path."""
    _heartbeat: asyncio.Task[HeartbeatAnswer] | None = None

    @classmethod
    def load(
        cls,
        service: Service,
        *,
        env: Mapping[str, str] | None = None,
        env_file: Path | None = ENV_FILE,
        kit: Path | None = None,
    ) -> Ground:
        """Load the settings of ``service``; ones that cannot be used are a finding, not an error."""
        environment = os.environ if env is None else env
        ground = cls(service, kit=kit, environment=environment)
        try:
            if service is Service.AGENT:
                ground.agent = load_agent(environment, env_file)
            else:
                ground.data_access = load_data_access(environment, env_file)
        except SettingsError as error:
            ground.settings_error = error
        return ground

    @classmethod
    def of_host(cls, facts: HostFacts, kit: Path | None) -> Ground:
        """A look at the whole machine: nothing is asked but what it has told, the kit and the disks."""
        return cls(Service.HOST, kit=kit, facts=facts, environment={})

    def secrets(self) -> Iterator[str]:
        """Whatever no finding may repeat."""
        for tree in (self.tasks, self.results, self.data_access):
            if tree is not None:
                yield from secrets_in(tree)
        if self.kit is not None:
            with contextlib.suppress(KitError):
                # What everybody knows is no secret, and may be the name of a service as well.
                known = kit_secrets(read_kit(self.kit)).values()
                yield from (secret for secret in known if secret.lower() not in DEFAULT_PASSWORDS)

    @property
    def shared(self) -> ServiceSettings | None:
        """What every service has; None when the settings cannot be used."""
        return self.agent.shared if self.agent is not None else self.data_access

    @property
    def outbound(self) -> SharedSettings | None:
        """The agent's way out of the building."""
        return self.agent.shared if self.agent is not None else None

    @property
    def tasks(self) -> TaskSettings | None:
        """The agent's task side, when it is on."""
        return self.agent.tasks if self.agent is not None else None

    @property
    def results(self) -> Settings | None:
        """The agent's result side, when it is on."""
        return self.agent.results if self.agent is not None else None

    @cached_property
    def transport(self) -> Transport:
        """The agent's own way out; raises SettingsError for a proxy that is not supported."""
        assert self.outbound is not None
        return Transport(self.outbound)

    async def heartbeat(self) -> HeartbeatAnswer:
        """The hub's answer to one heartbeat, however many checks want it.

        A heartbeat says only that this node is alive. Asking for tasks instead would take them from the agent.

        Raises:
            HubUnavailable: nobody answered.
        """
        assert self.tasks is not None
        if self._heartbeat is None:
            self._heartbeat = asyncio.create_task(TaskHub(self.tasks, self.transport).heartbeat(None))
        return await asyncio.shield(self._heartbeat)

    async def close(self) -> None:
        """Close every connection."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            await asyncio.gather(self._heartbeat, return_exceptions=True)
        if "transport" in self.__dict__:
            await self.transport.aclose()
