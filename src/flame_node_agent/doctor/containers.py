"""The containers of the trust: whether they run, come back, are of one release, and publish nothing."""

from __future__ import annotations

from collections.abc import Iterator

from flame_node_agent.doctor.findings import Finding, failed, ok, skipped, warned
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.doctor.host_facts import Container, HostFacts

UP = "make up-local-trust"
JOBS = frozenset({"bucket", "objects-owner"})
"""Services that end by themselves when they have done their work."""
NODE_SERVICES = ("trust-api", "data-access-api", "omop-relay")
"""Services that run the node's own image, as far as the kit asks for them."""
MEMORY = {
    "trust-api": "NODE_MEMORY",
    "data-access-api": "NODE_MEMORY",
    "omop-relay": "NODE_MEMORY",
    "postgres": "POSTGRES_MEMORY",
    "omop-db": "OMOP_MEMORY",
    "minio": "S3_MEMORY",
    "keycloak": "KEYCLOAK_MEMORY",
}
"""What gives a service more memory."""
SETTINGS_WRONG = 2
COMES_BACK = frozenset({"always", "unless-stopped"})
LOOPBACK = ("127.", "::1")
FROM_HOST = "cannot be seen from here: `make doctor-local-trust` looks from the host"


async def check_containers(ground: Ground) -> Finding:
    """Whether every service that kit and Compose files ask for is there, runs, and is healthy."""
    facts = ground.facts
    if facts is None:
        return skipped(FROM_HOST)
    wanted = [*facts.expected, *(name for name in facts.containers if name not in facts.expected)]
    if not facts.containers:
        return failed(f"nothing of the stack {facts.stack} is here: it is down", f"start it: `{UP}`")
    troubles = [found for name in wanted if (found := _trouble(name, facts.containers.get(name)))]
    if troubles:
        return failed("; ".join(seen for seen, _ in troubles), troubles[0][1])
    starting = [
        name for name in wanted if name in facts.containers and facts.containers[name].health == "starting"
    ]
    if starting:
        return skipped(f"still starting, so look again in a minute: {', '.join(starting)}")
    running = [name for name in wanted if name not in JOBS]
    return ok(f"{', '.join(running)}: running and healthy")


def _trouble(name: str, container: Container | None) -> tuple[str, str] | None:
    """What is wrong with a service, and what to do; None when nothing is."""
    if name in JOBS:
        # A job that has done its work may be cleared away.
        if container is None or container.exit_code == 0:
            return None
        return f"the job {name} has failed with exit code {container.exit_code}", _look(name)
    if container is None:
        return f"{name} is missing", f"start it: `{UP}`"
    if container.out_of_memory:
        variable = MEMORY.get(name)
        more = (
            f"give it more with {variable}, then `{UP}`"
            if variable
            else "give it more, or look what takes it"
        )
        return f"{name} has used up its memory", more
    match container.status:
        case "running" if container.health == "unhealthy":
            return f"{name} runs and is not healthy", _look(name)
        case "running":
            return None
        case "created":
            return (
                f"{name} has not been started",
                f"`{UP}`; it waits for what is not healthy, such as a database",
            )
        case "paused":
            return f"{name} is paused", f"`{UP}`, or `docker unpause` it"
        case "restarting" | "exited" if container.exit_code == SETTINGS_WRONG and name in NODE_SERVICES:
            return (
                f"{name} does not start: exit code 2",
                f"its settings are wrong, or the hub's trust is another: see its own lines, and {_look(name)}",
            )
        case "restarting":
            return f"{name} ends again and again, with exit code {container.exit_code}", _look(name)
        case status:
            return (
                f"{name} does not run ({status}, exit code {container.exit_code})",
                f"`{UP}`; if it stays so, {_look(name)}",
            )


def _look(name: str) -> str:
    return f"look at its log: `make logs-local-trust SERVICE={name}`"


async def check_restart(ground: Ground) -> Finding:
    """Whether the trust comes back by itself after a restart of the machine."""
    facts = ground.facts
    if facts is None:
        return skipped(FROM_HOST)
    if facts.starts_at_boot is False:
        return failed("Docker is not started at boot", "`sudo systemctl enable docker`")
    services = {name: each for name, each in facts.containers.items() if name not in JOBS}
    if not services:
        return skipped("there is no container to come back")
    stay = [
        f"{name} ({each.restart or 'no'})"
        for name, each in services.items()
        if each.restart not in COMES_BACK
    ]
    if stay:
        return failed(
            f"would stay down after a restart of the machine: {', '.join(stay)}",
            f"`{UP}` gives them back the restart policy of the Compose files",
        )
    return ok(f"{len(services)} containers come back after a restart of the machine")


async def check_release(ground: Ground) -> Finding:
    """Whether the services of the node run one release, and that of NODE_IMAGE."""
    facts = ground.facts
    if facts is None:
        return skipped(FROM_HOST)
    running = {name: facts.containers[name].image for name in NODE_SERVICES if name in facts.containers}
    if not running:
        return skipped("no service of the node is here")
    told = {name: _release(facts, image) for name, image in running.items()}
    if len(set(running.values())) > 1:
        return failed(
            ", ".join(f"{name} runs {release}" for name, release in told.items()),
            f"`{UP}` brings them all to NODE_IMAGE; services of two releases may not understand each other",
        )
    (image,) = set(running.values())
    ours = next(iter(facts.images.values()), None)
    if ours is None or ours.id == image:
        return ok(f"all run {_release(facts, image)}")
    return warned(
        f"all run {_release(facts, image)}, and {facts.node_image} is {ours}",
        "`make upgrade-local-trust` brings them to it; to stay, name the image that runs with NODE_IMAGE",
    )


def _release(facts: HostFacts, image: str) -> str:
    return str(facts.images.get(image) or f"an image that is gone ({image.removeprefix('sha256:')[:12]})")


async def check_published(ground: Ground) -> Finding:
    """Whether a container of this trust can be reached from outside of the machine.

    Ports at the loopback address are for development, and nobody else's to reach.
    """
    facts = ground.facts
    if facts is None:
        return skipped(FROM_HOST)
    published = [port for name, each in facts.containers.items() for port in _ports(name, each)]
    if published:
        return failed(
            f"published on the host: {', '.join(published)}",
            f"take `ports:` out of the Compose files, then `{UP}`; a trust needs no inbound connection",
        )
    if not facts.containers:
        return skipped("there is no container that could publish a port")
    return ok(f"none of {len(facts.containers)} containers publishes a port to the network")


def _ports(name: str, container: Container) -> Iterator[str]:
    if container.network == "host":
        yield f"{name}, all its ports, as it uses the network of the host"
    for port, bindings in (container.ports or {}).items():
        for binding in bindings or ():
            if not binding.address.startswith(LOOPBACK):
                yield f"{name} {port} at {binding.address or '*'}:{binding.port}"
