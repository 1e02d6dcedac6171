"""Seed 000's own way to try the result service: ``docker compose up -d`` at the root, a token, a result."""

from __future__ import annotations

import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

from tests.deploy.engine import Engine
from tests.deploy.images import BASE, NODE, POSTGRES, S3
from tests.deploy.machine import ROOT
from tests.deploy.trust_host import until


def test_a_result_is_taken_by_what_compose_up_starts(engine: Engine, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for part in ("trust", "docker"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns(".env*", "backups"))
    shutil.copy(ROOT / "compose.yml", tmp_path)
    images = {"NODE_IMAGE": NODE, "S3_IMAGE": S3, "S3_HEALTH_PATH": "/healthz", "POSTGRES_IMAGE": POSTGRES}
    environment = {**engine.environment, **images, "BASE_IMAGE": BASE, "API_PORT": str(port)}

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def documentation() -> str:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/docs", timeout=5).read().decode()
        except OSError:
            return ""

    try:
        run("docker", "compose", "up", "-d")
        assert "swagger" in until(documentation, "the documentation of the API").lower()
        token = run("docker/keycloak/issue-jwt.sh").strip()
        (tmp_path / "model.txt").write_text("weights")
        put = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-F", "file=@model.txt")
        to = ("-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:{port}/final/")
        until(lambda: run(*put, *to) == "204", "the result taken")
        delivered = ("docker", "compose", "logs", "--no-log-prefix", "agent")
        until(lambda: "upload.delivered" in run(*delivered), "the result delivered")
    finally:
        run("docker", "compose", "down", "--volumes")
