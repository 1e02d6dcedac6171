"""``trust/kit.env.example``: a kit in which nothing has been decided yet."""

from __future__ import annotations

from flame_node_agent.kit.sections import SECTIONS, KitVariable, Section

_HEAD = """\
# The kit of one trust: the variables of all its services. The names, sections and order are those of FLIP's kits.
# `flame-node keys new-trust --kit FILE` makes such a file with all keys and passwords in it; what is left in angle
# brackets then is for people. An empty value counts as not given. Keep the file to yourself (mode 0600).
"""


def render_template(*, results: bool = True) -> str:
    """Write a kit; without ``results`` it lacks the part that turns the agent's result side on."""
    wanted = (section for section in SECTIONS if results or not section.results_only)
    return "\n".join([_HEAD, *map(_section, wanted)])


def _section(section: Section) -> str:
    note = [f"# {section.note}"] if section.note else []
    return "\n".join([section.heading, *note, *map(_line, section.variables), ""])


def _line(variable: KitVariable) -> str:
    note = f"# {variable.note}\n" if variable.note else ""
    return f"{note}{variable.name}={variable.value}"
