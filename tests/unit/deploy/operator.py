"""Somebody with a checkout of ``trust/`` and a complete kit, and a Docker that says what a test wants it to say."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import write_kit
from flame_node_agent.kit.new_trust import complete
from flame_node_agent.kit.template import render_template
from tests.unit.deploy.compose_files import ROOT

DOCKER = """#!/bin/sh
echo "$@" >>"$DOCKER_CALLS"
# One more whenever it is asked.
counted() {
    n=$(cat "$DOCKER_CALLS.restarts" 2>/dev/null || echo 0)
    echo $((n + 1)) >"$DOCKER_CALLS.restarts"
    echo "$n"
}
case "$*" in
"version --format"*) [ -n "$ENGINE" ] && echo "$ENGINE" ;;
version) echo "$ENGINE_SAYS"; [ -n "$ENGINE" ] ;;
"compose version"*) [ -n "$COMPOSE" ] && echo "$COMPOSE" ;;
"compose "*" config") echo "$CONFIG" ;;
"compose "*"pg_isready"*) [ -z "$DATABASE_SAYS" ] ;;
"compose "*"psql "*) echo "$PASSWORD_SAYS"; [ -z "$PASSWORD_SAYS" ] ;;
"compose "*" up -d"*) echo "$UP_SAYS"; [ -z "$UP_SAYS" ] ;;
"compose "*" ps --all --quiet"* | "compose "*" ps --quiet postgres") echo 1a ;;
"compose "*) ;;
"image inspect --format"*) echo "${IMAGE_ID:-sha256:1}" ;;
"image inspect"*) ;;
"inspect --format"*working_dir*) [ -n "$FOLDER" ] && echo "$FOLDER" ;;
"inspect --format {{.Id}}"*) [ -z "$STATES" ] || echo "$STATES" | sed "s/RESTARTS/$(counted)/" ;;
"inspect --format"*RestartCount*) counted ;;
"inspect --format"*State.Health*) printf '%s\\n' "$HEALTH_SAYS" ;;
"inspect --format"*project*) [ -n "$OWNER" ] && echo "$OWNER" ;;
"inspect --format {{.Config.Image}}"*) [ -n "$RUNS" ] && echo "$RUNS" ;;
"inspect --format {{.Image}}"*) [ -n "$RUNS" ] && echo sha256:1 ;;
"info "*) echo / ;;
"volume inspect"*) [ -n "$VOLUMES" ] ;;
"network ls"*) echo "$NETWORKS" ;;
"network inspect"*) echo "hub issuer " ;;
"logs "*) echo "$LOGS" ;;
"run --rm"*) echo "$KIT_SAYS"; [ -z "$KIT_SAYS" ] ;;
"ps --filter publish"*) echo "$HOLDS_PORT" ;;
"ps --all"*publish*) ;;
"ps --all"*service=nonsense*) ;;
"ps --all"*) [ -z "$STATES$FOLDER$NETWORKS" ] || [ -f "$DOCKER_CALLS.down" ] || echo 1a ;;
"tag "*) ;;
"exec "*) echo "$AGENT_SAYS"; [ -z "$AGENT_SAYS" ] ;;
*) exit 1 ;;
esac
"""
DF = """#!/bin/sh
printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\\n/dev/x 1 1 %s 1%% /\\n' "${FREE_KIB:-99999999}"
"""
WELL = "1a trust-api running healthy 0 0"
"""What Docker says of an agent that is well: id, service, state, health, exit code, restarts."""


class Operator:
    """Somebody with a checkout of ``trust/`` and a complete kit for PROD=stag."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "trust"
        left_out = shutil.ignore_patterns(".env*", ".node-image*", "backups")
        shutil.copytree(ROOT / "trust", self.folder, ignore=left_out)
        self.calls = folder / "calls"
        self.calls.touch()
        self.path = folder / "bin"
        self.path.mkdir()
        self.program("docker", DOCKER)
        self.program("df", DF)
        self.kit = self.folder / ".env.Trust_2.stag"
        self.write(TRUST_NAME="Trust_2", CENTRAL_HUB_API_URL="https://hub.example/api")

    def program(self, name: str, text: str) -> None:
        """Put a stand-in for a program in front of the real one."""
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def write(self, **values: str) -> None:
        """Write the kit."""
        kit = EnvText(render_template(results=False))
        complete(kit, values, results=False)
        write_kit(self.kit, kit)

    def environment(self, **said: str) -> dict[str, str]:
        """What make is given, with a Docker of ``said``: ENGINE, COMPOSE, STATES, … as the stand-in reads them."""
        usual = {"ENGINE": "28.0.1", "COMPOSE": "2.39.1", "PROD": "stag"}
        path = f"{self.path}:{os.environ['PATH']}"
        return {"PATH": path, "DOCKER_CALLS": str(self.calls), **usual, **said}

    def make(self, target: str = "check-local-trust", *arguments: str, **said: str) -> tuple[int, str]:
        """What make ends with, and says."""
        done = subprocess.run(
            ["make", target, *arguments],
            cwd=self.folder,
            env=self.environment(**said),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def refused(self, *arguments: str, **said: str) -> str:
        """What make says, as it refuses; nothing has been started then."""
        code, text = self.make("up-local-trust", *arguments, **said)
        assert code != 0, text
        assert not self.called(" up ")
        return text

    def called(self, part: str) -> list[str]:
        """The calls of Docker that hold ``part``."""
        return [line for line in self.calls.read_text().splitlines() if part in f"{line} "]
