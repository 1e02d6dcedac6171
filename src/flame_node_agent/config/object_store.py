"""The S3 store that holds result files until they have left, and local results until they are deleted."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from flame_node_agent.config.values import Accepts, AlsoNamed, Flag, Group, Secret, Text

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9_.-]*[a-z0-9])?", re.IGNORECASE)
_REGION = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _endpoint(value: str) -> str:
    if "://" in value:
        raise ValueError("starts with a scheme (MINIO__USE_SSL says whether to use https)")
    try:
        parts = urlsplit(f"//{value}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is not a host and a port") from None
    if parts.path or parts.query or parts.fragment or "@" in value:
        raise ValueError("holds more than a host and a port")
    if port == 0 or value.endswith(":") or not (_is_address(host) or _HOST_NAME.fullmatch(host)):
        raise ValueError("is not a host and a port")
    return value


def _bucket_name(value: str) -> str:
    """Amazon S3, "General purpose bucket naming rules"; what the S3 client refuses at the first request."""
    if (
        not _BUCKET_NAME.fullmatch(value)
        or any(pair in value for pair in ("..", ".-", "-."))
        or _is_address(value)
        or value.startswith("xn--")
        or value.endswith(("-s3alias", "--ol-s3"))
    ):
        raise ValueError("is not a valid bucket name")
    return value


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        raise ValueError("is not a valid region")
    return value


Endpoint = Annotated[
    str, AfterValidator(_endpoint), Accepts("host or host:port without a scheme, as in minio:9000")
]
BucketName = Annotated[
    str,
    AfterValidator(_bucket_name),
    Accepts(
        "an S3 bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, "
        "with a letter or digit at both ends"
    ),
]
Region = Annotated[
    str, AfterValidator(_region), Accepts("a region name of letters, digits and hyphens, as in us-east-1")
]


class ObjectStoreSettings(Group):
    """Object store: any server that speaks the S3 API (MinIO, SeaweedFS, Ceph, a cloud's)."""

    endpoint: Annotated[Endpoint, AlsoNamed("S3__ENDPOINT")] = Field(
        description="Host and port of the S3 API, without a scheme."
    )
    access_key: Annotated[Text, AlsoNamed("S3__ACCESS_KEY")] = Field(
        description="Access key for the S3 API. It needs to read, write, list and delete in the bucket."
    )
    secret_key: Annotated[Secret, AlsoNamed("S3__SECRET_KEY")] = Field(
        description="Secret key that belongs to the access key."
    )
    bucket: Annotated[BucketName, AlsoNamed("S3__BUCKET")] = Field(
        description="Bucket that holds the result files. It must exist; the agent does not create it."
    )
    region: Annotated[Region, AlsoNamed("S3__REGION")] = Field(
        default="us-east-1", description="Region of the bucket, as requests to the S3 API are signed with it."
    )
    use_ssl: Annotated[Flag, AlsoNamed("S3__USE_SSL")] = Field(
        default=False, description="Whether the S3 API is spoken over TLS (https)."
    )
