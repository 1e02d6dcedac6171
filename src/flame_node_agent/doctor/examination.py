"""Running the checks: all at once, each with its own time, none able to stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from flame_node_agent.doctor.checks import CHECKS, Check
from flame_node_agent.doctor.findings import Finding, failed, skipped
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.errors import SettingsError
from flame_node_agent.telemetry.redaction import Redaction

CHECK_SECONDS = 15.0


async def examine(
    ground: Ground, checks: Iterable[Check] = CHECKS, *, seconds: float = CHECK_SECONDS
) -> dict[str, Finding]:
    """Run the checks of the ground's service; each has ``seconds``. What they say is free of secrets."""
    wanted = [check for check in checks if ground.service in check.services]
    outcomes = await asyncio.gather(
        *(_run(check, ground, seconds) for check in wanted), return_exceptions=True
    )
    await ground.close()
    redaction = Redaction(ground.secrets())
    return {
        check.name: _without_secrets(_finding(outcome), redaction)
        for check, outcome in zip(wanted, outcomes, strict=True)
    }


async def _run(check: Check, ground: Ground, seconds: float) -> Finding:
    if check.needs_settings and ground.settings_error is not None:
        return skipped("the settings cannot be used")
    try:
        async with asyncio.timeout(seconds):
            return await check.run(ground)
    except TimeoutError:
        return failed(
            f"no answer within {seconds:g} s", "look at what it asks: it hangs, or the network swallows it"
        )
    except SettingsError as error:
        return failed(str(error), "correct the variable")


def _finding(outcome: Finding | BaseException) -> Finding:
    if isinstance(outcome, Finding):
        return outcome
    # The text of an error nobody has thought of may hold anything, so only its kind is told.
    return failed(f"the check itself has failed ({type(outcome).__name__})", "report this as a defect")


def _without_secrets(finding: Finding, redaction: Redaction) -> Finding:
    return Finding(finding.state, redaction.text(finding.seen), redaction.text(finding.do))
