"""How much is logged, and in which form."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flame_node_agent.config.values import Accepts, AlsoNamed, Group, IgnoreCaseLower, IgnoreCaseUpper

Level = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    IgnoreCaseUpper,
    Accepts("DEBUG, INFO, WARNING, ERROR or CRITICAL"),
]
Format = Annotated[Literal["auto", "json", "pretty"], IgnoreCaseLower, Accepts("auto, json or pretty")]


class LogSettings(Group):
    """Logs: one event a line on standard error."""

    # One file may hold the hub's LOG_LEVEL beside the trust's, so neither contradicts the other.
    level: Annotated[
        Level, AlsoNamed("TRUST_LOG_LEVEL", gives_way=True), AlsoNamed("LOG_LEVEL", gives_way=True)
    ] = Field(default="INFO", description="Least severe level that is logged.")
    format: Format = Field(
        default="auto",
        description="`json` writes one JSON object a line, `pretty` writes for the eye, "
        "`auto` is `pretty` on a terminal and `json` everywhere else.",
    )
