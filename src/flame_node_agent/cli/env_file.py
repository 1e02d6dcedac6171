"""The option that every command which reads the settings has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EnvFile = Annotated[
    Path,
    typer.Option(
        "--env-file", help="Read variables from this file; those of the environment win.", metavar="FILE"
    ),
]
