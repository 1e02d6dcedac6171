"""Reading the trust's kit file, as far as provisioning needs it. It is made by ``flame-node keys new-trust``."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from provision.said import Stop

LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")
SUFFIXES = {"": "development", "stag": "stag", "true": "production"}
"""The end of the kit file's name by PROD, as FLIP's Makefiles choose it."""


def suffix(prod: str) -> str:
    """The name of the environment that PROD stands for.

    Raises:
        Stop: PROD is something else.
    """
    try:
        return SUFFIXES[prod]
    except KeyError:
        raise Stop(f"PROD is '{prod}'; it is `stag`, `true`, or not set (development)") from None


def find_kit(folder: Path, name: str, prod: str) -> Path:
    """Where the kit is, as ``trust/Makefile`` looks for it; where it should be when there is none."""
    wanted = folder / f".env.{name}.{suffix(prod)}"
    general = folder / f".env.{name}"
    return general if general.is_file() and not wanted.is_file() else wanted


def other_kits(folder: Path, name: str) -> dict[str, str]:
    """The kits of that name for all environments, each with the make variable that chooses it."""
    chosen = {"": "no PROD", "stag": "PROD=stag", "true": "PROD=true"}
    paths = {folder / f".env.{name}.{end}": chosen[prod] for prod, end in SUFFIXES.items()}
    return {path.name: choice for path, choice in paths.items() if path.is_file()}


def read_kit(path: Path) -> dict[str, str]:
    """The variables of a kit; those that still wait for a value (``<…>``) are left out.

    Raises:
        Stop: others than its owner may read it, or it cannot be read.
    """
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise Stop(f"{path} has mode {mode:04o}, so others can read its secrets: chmod 600 {path}")
        return parse_kit(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(f"{path} cannot be read: {error}") from None


def parse_kit(text: str) -> dict[str, str]:
    """The variables of a file of environment variables, but for those that still wait for a value (``<…>``)."""
    values = {}
    for line in text.splitlines():
        if found := LINE.match(line):
            value = found[2]
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            if value and not value.startswith("<"):
                values[found[1]] = value
    return values


def takes_results(kit: Path) -> bool:
    """Whether a kit is for a node that brings results to a FLAME hub as well; a new one for FLIP's hub is not."""
    return kit.is_file() and re.search(r"(?m)^(HUB|MINIO)__", kit.read_text(encoding="utf-8")) is not None


def put_value(path: Path, name: str, value: str) -> None:
    """Put a value in the line of a variable, or in a new one; the rest stays, and the mode is 0600 at every moment.

    Raises:
        Stop: the kit has several lines of the variable.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    changed, count = re.subn(rf"(?m)^({re.escape(name)}=).*$", lambda found: found[1] + value, text)
    if count > 1:
        raise Stop(f"{path} has {count} lines of {name}; there should be one")
    if count == 0:
        changed = f"{text}{name}={value}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(changed)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
