"""The images of these tests: the node's own, built from the Dockerfile, and local stand-ins for what a registry has."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.deploy.engine import Engine
from tests.deploy.machine import ROOT, base_root

BASE = "flame-node-base:local"
NODE = "flame-node-agent:test"
S3 = "flame-node-s3:local"
POSTGRES = "flame-node-postgres:local"

_STAND_INS = Path(__file__).parent / "stand_ins"


def import_base(engine: Engine) -> None:
    """Make an image of the Debian folder; it trusts the authorities that this machine trusts."""
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    packed = subprocess.Popen(["nice", "tar", "-C", base_root(), "-c", "."], stdout=subprocess.PIPE)
    try:
        subprocess.run(
            ["docker", "import", "--change", f"ENV PIP_CERT={bundle} SSL_CERT_FILE={bundle}", "-", BASE],
            stdin=packed.stdout,
            env=engine.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    finally:
        packed.wait()


def build_node(engine: Engine) -> None:
    """Build the product's image on the local base."""
    engine.docker("build", "--build-arg", f"BASE_IMAGE={BASE}", "-t", NODE, ROOT, seconds=1200)


def build_stand_ins(engine: Engine) -> None:
    """Build what takes the place of MinIO (SeaweedFS) and of the PostgreSQL image (Debian's packages)."""
    for name, tag in (("s3", S3), ("postgres", POSTGRES)):
        recipe = _STAND_INS / name / "Dockerfile"
        engine.docker(
            "build", "--build-arg", f"BASE_IMAGE={BASE}", "-t", tag, "-f", recipe, ROOT, seconds=1200
        )
