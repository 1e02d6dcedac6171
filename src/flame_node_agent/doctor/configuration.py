"""What the operator has written: the settings, and the kit."""

from __future__ import annotations

from flame_node_agent.doctor.findings import Finding, failed, ok, skipped, warned
from flame_node_agent.doctor.ground import Ground, Service
from flame_node_agent.errors import KitError
from flame_node_agent.kit.checks import Weight, check_kit

MOST_TOLD = 3


async def check_settings(ground: Ground) -> Finding:
    """Whether the service would start with its settings, and which sides of the agent are on."""
    if ground.settings_error is not None:
        problems = [f"{each.variable}: {each.problem}" for each in ground.settings_error.problems]
        return failed(
            _some(problems), f"`flame-node config check{_option(ground)}` tells all, and what is accepted"
        )
    if ground.agent is None:
        return ok("complete and valid")
    sides = [
        f"the {name} side is {'on' if side is not None else 'off'}"
        for name, side in (("result", ground.results), ("task", ground.tasks))
    ]
    return ok(f"complete and valid; {', '.join(sides)}")


async def check_kit_file(ground: Ground) -> Finding:
    """Whether the kit is complete, nobody else's to read, and free of placeholders and default passwords."""
    if ground.kit is None:
        return skipped("no kit file is given (--kit): `make doctor-local-trust` looks from the host")
    try:
        problems = check_kit(ground.kit, production=ground.facts.production if ground.facts else None)
    except KitError as error:
        return failed(str(error), "make it so, or name the kit of this trust with KIT or KIT_FILE")
    serious = [each for each in problems if each.weight is Weight.PROBLEM]
    if not problems:
        return ok("complete and valid")
    told = serious or problems
    seen = _some([f"{each.where} {each.problem}" for each in told])
    do = told[0].do + (f"; `flame-node keys check --kit {ground.kit}` tells all" if len(told) > 1 else "")
    return failed(seen, do) if serious else warned(f"complete and valid, but {seen}", do)


def _some(problems: list[str]) -> str:
    shown = "; ".join(problems[:MOST_TOLD])
    return f"{shown}; and {len(problems) - MOST_TOLD} more" if len(problems) > MOST_TOLD else shown


def _option(ground: Ground) -> str:
    return " --service data-access" if ground.service is Service.DATA_ACCESS else ""
