"""The hub that has tasks for this trust: whether it answers, knows the key, and means this trust."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from functools import wraps
from uuid import UUID

from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.doctor.findings import Finding, failed, ok, skipped
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.errors import HubUnavailable
from flame_node_agent.hub.answers import UNAUTHORIZED, one_line
from flame_node_agent.hub.exchange import exchange, opened
from flame_node_agent.hub.task_answers import WEB_PAGE
from flame_node_agent.wire.tasks import HeartbeatAnswer

type Look = Callable[[Ground], Awaitable[Finding]]

MAX_SKEW_SECONDS = 60
FORBIDDEN = 403
NO_TASK_SIDE = "the task side is off"
NO_ANSWER = "the hub has not answered"
NOT_ACCEPTED = "the hub has not accepted this trust"


async def check_hub(ground: Ground) -> Finding:
    """Whether the hub's API answers (FLIP hub, GET /health)."""
    if ground.tasks is None:
        return skipped(NO_TASK_SIDE)
    client = ground.transport.client(ground.tasks.hub_api)
    try:
        answer = await exchange(client, client.build_request("GET", "health"), "tasks")
    except HubUnavailable as error:
        return failed(
            str(error),
            "check CENTRAL_HUB_API_URL; the firewall must let HTTPS (443) out to the hub, directly or by the proxy",
        )
    if not answer.decodable:
        said = WEB_PAGE if answer.status < 300 else f"{answer.what}, status {answer.status}"
        return failed(said, "check CENTRAL_HUB_API_URL, and whether a proxy answers in the hub's place")
    if answer.status != 200:
        return failed(f"the hub answers {answer.status}", "ask the hub's administrator; tasks wait meanwhile")
    return ok(f"{ground.tasks.hub_api} answers")


def _of_the_heartbeat(judge: Callable[[TaskSettings, HeartbeatAnswer], Finding]) -> Look:
    """A check of what the hub has answered to the one heartbeat; where it has not, there is nothing to judge."""

    @wraps(judge)
    async def check(ground: Ground) -> Finding:
        if ground.tasks is None:
            return skipped(NO_TASK_SIDE)
        try:
            answer = await ground.heartbeat()
        except HubUnavailable:
            return skipped(NO_ANSWER)
        return judge(ground.tasks, answer)

    return check


@_of_the_heartbeat
def check_api_key(_settings: TaskSettings, answer: HeartbeatAnswer) -> Finding:
    """Whether the hub accepts TRUST_API_KEY; a heartbeat takes no tasks away."""
    if 200 <= answer.status < 300:
        if answer.detail:
            return failed(answer.detail, "check CENTRAL_HUB_API_URL")
        return ok("the hub accepts TRUST_API_KEY")
    if answer.status == UNAUTHORIZED:
        return failed(
            f"the hub does not know the key: {answer.detail}",
            "compare `flame-node keys show-public` with the hub's TRUST_API_KEY_HASHES, which it loads when it is "
            "redeployed; check TRUST_API_KEY_HEADER",
        )
    if answer.status == FORBIDDEN:
        return failed(
            f"the key is another trust's: {answer.detail}", "check TRUST_NAME and whose TRUST_API_KEY this is"
        )
    return failed(
        f"the hub answers {answer.status}: {answer.detail}",
        "for 404, older hubs need TRUST_NAME; else ask the hub's administrator",
    )


@_of_the_heartbeat
def check_identity(settings: TaskSettings, answer: HeartbeatAnswer) -> Finding:
    """Whether the hub takes this node for the trust that it is meant to be."""
    identity, expected = answer.identity, settings.expected_trust_id
    if identity is None:
        said = answer.status < 300
        return skipped("this hub does not say for whom it takes the node" if said else NOT_ACCEPTED)
    seen = f"the hub knows this node as {one_line(identity.trust_name)} ({one_line(identity.trust_id)})"
    if expected is not None and _uuid(identity.trust_id) != expected:
        return failed(
            f"{seen}, EXPECTED_TRUST_ID is {expected}",
            "the agent stops with exit code 2: put this trust's own TRUST_API_KEY, or the right id, into the kit",
        )
    return ok(seen)


@_of_the_heartbeat
def check_aes_key(settings: TaskSettings, answer: HeartbeatAnswer) -> Finding:
    """Whether trust and hub hold the same AES key, by its fingerprint."""
    if answer.fingerprint is None:
        said = answer.status < 300
        return skipped("this hub does not tell the fingerprint of its key" if said else NOT_ACCEPTED)
    keyring = Keyring.of(settings)
    if answer.fingerprint in keyring.fingerprints:
        return ok(f"the hub has the same key ({one_line(answer.fingerprint)})")
    return failed(
        f"the hub's key is {one_line(answer.fingerprint)}, this trust's {keyring.shared_fingerprint}",
        "put the hub's AES_KEY_BASE64 into the kit and restart agent and data-access-api; tasks fail until then",
    )


async def check_clock(ground: Ground) -> Finding:
    """Whether the clock of this machine is the hub's, by the Date of an answer (RFC 9110, section 6.6.1)."""
    url = _clock_of(ground)
    if url is None:
        return skipped("no hub is asked")
    client = ground.transport.client(url)
    try:
        async with opened(client, client.build_request("HEAD", ""), "clock") as response:
            told = response.headers.get("Date", "")
            here = ground.now()
    except HubUnavailable:
        return skipped(NO_ANSWER)
    try:
        skew = here - parsedate_to_datetime(told).timestamp()
    except ValueError:
        return skipped("the hub does not tell the time")
    direction = "ahead of" if skew > 0 else "behind"
    if abs(skew) > MAX_SKEW_SECONDS:
        return failed(
            f"the clock of this machine is {abs(skew):.0f} s {direction} the hub's",
            "switch time synchronisation on (`timedatectl set-ntp true`); tokens and signatures depend on the time",
        )
    return ok(f"within {max(1.0, abs(skew)):.0f} s of the hub's")


def _clock_of(ground: Ground) -> str | None:
    if ground.tasks is not None:
        return ground.tasks.hub_api
    return str(ground.results.hub.auth_base_url) if ground.results is not None else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
