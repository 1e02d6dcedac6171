"""Variables of the kit that no service reads as a setting.

They come from the environment, as Compose hands the kit on, or from the file itself.
"""

from __future__ import annotations

from flame_node_agent.doctor.ground import Ground
from flame_node_agent.errors import KitError
from flame_node_agent.kit.kit_file import read_kit
from flame_node_agent.kit.sections import is_placeholder


def kit_value(ground: Ground, name: str) -> str:
    """The value of a variable; empty when there is none, or a placeholder."""
    value = ground.environment.get(name, "")
    if not value and ground.kit is not None:
        try:
            value = read_kit(ground.kit).values.get(name, "")
        except KitError:
            value = ""  # told by the check of the kit
    return "" if is_placeholder(value) else value
