"""Fetches a participant kit from the hub's bucket, checks it, and packs it into an archive of a known digest.

Source of the places: FLIP, ``s3://<bucket>/fl-flare-participant-kits/<date>/net-1/services/<slot>/`` and
``s3://<bucket>/fl-flower-participant-kits/<date>/net-1/``.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from provision.kit_checks import FLARE_FOLDERS, problems_of
from provision.said import Stop

LARGEST_KIT = 256 * 1024 * 1024
EXECUTABLE = ".sh"


def main(arguments: list[str] | None = None) -> int:
    """Print the digest and the number of files as JSON; the exit code is 1 when the kit is refused."""
    parser = argparse.ArgumentParser(prog="fetch_fl_kit", description=__doc__)
    for name in ("backend", "bucket", "date", "slot", "archive"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--slot-number", default="")
    wanted = parser.parse_args(arguments)
    try:
        facts = fetch(
            boto3.client("s3"),
            bucket=wanted.bucket,
            places=places(wanted.backend, wanted.date, wanted.slot, wanted.slot_number),
            backend=wanted.backend,
            slot=wanted.slot,
            slot_number=wanted.slot_number,
            archive=Path(wanted.archive),
        )
    except (Stop, BotoCoreError, ClientError) as error:
        print(f"The FL kit was refused, the one in place is kept: {error}", file=sys.stderr)
        return 1
    print(json.dumps(facts))
    return 0


def places(backend: str, date: str, slot: str, slot_number: str) -> dict[str, str]:
    """Which key or prefix of the bucket becomes which file or folder of the kit.

    A Flower kit is never taken whole: beside the trust's own credentials its prefix holds the server's private key.

    Raises:
        Stop: the date is missing.
    """
    if not date:
        raise Stop("the date of the kit is missing (FLARE_KIT_DATE or FLOWER_KIT_DATE)")
    if backend == "flower":
        base = f"fl-flower-participant-kits/{date}/net-1"
        own = f"keys/supernode_credentials_{slot_number}"
        return {f"{base}/certificates/ca.crt": "certificates/ca.crt", f"{base}/{own}": own}
    base = f"fl-flare-participant-kits/{date}/net-1/services/{slot}"
    return {f"{base}/{folder}/": f"{folder}/" for folder in FLARE_FOLDERS if folder != "transfer"}


def fetch(
    s3: Any, *, bucket: str, places: dict[str, str], backend: str, slot: str, slot_number: str, archive: Path
) -> dict[str, Any]:
    """Download, check and pack.

    Raises:
        Stop: the kit is empty, too large, or not whole.
        ClientError, BotoCoreError: the bucket does not give it, or breaks off.
    """
    if not bucket:
        raise Stop("the bucket is missing (AICENTRE_BUCKET_NAME)")
    with tempfile.TemporaryDirectory(prefix="flip-fl-kit-") as folder:
        kit = Path(folder)
        count = sum(_download(s3, bucket, source, target, kit) for source, target in places.items())
        if count == 0:
            raise Stop(f"s3://{bucket}/{next(iter(places))} is empty")
        if problems := problems_of(kit, backend, slot, slot_number):
            raise Stop("; ".join(problems))
        if backend != "flower":
            # Empty in every kit, and so lost in S3; the FL client writes into it.
            (kit / "transfer").mkdir()
        data = pack(kit)
    archive.write_bytes(data)
    archive.chmod(0o600)
    return {"digest": hashlib.sha256(data).hexdigest(), "files": count}


def _download(s3: Any, bucket: str, source: str, target: str, kit: Path) -> int:
    count = 0
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=source)
    for entry in (entry for page in pages for entry in page.get("Contents", [])):
        rest = entry["Key"].removeprefix(source)
        if entry["Key"].endswith("/") or (rest and not source.endswith("/")):
            continue
        name = PurePosixPath(target + rest)
        if name.is_absolute() or ".." in name.parts:
            raise Stop(f"the bucket holds a key that would leave the kit: {entry['Key']}")
        if entry["Size"] > LARGEST_KIT:
            raise Stop(f"{entry['Key']} has {entry['Size']} bytes, more than any kit")
        path = kit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Reading fails when fewer bytes come than were announced; more or fewer than listed means a change meanwhile.
        data = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        if len(data) != entry["Size"]:
            raise Stop(f"{entry['Key']} changed while it was fetched; try again")
        path.write_bytes(data)
        count += 1
    return count


def pack(kit: Path) -> bytes:
    """The kit as a tar archive that is the same, byte for byte, for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(kit.rglob("*")):
            member = tarfile.TarInfo(path.relative_to(kit).as_posix())
            if path.is_dir():
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            else:
                data = path.read_bytes()
                member.size, member.mode = len(data), 0o755 if path.suffix == EXECUTABLE else 0o644
                tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
