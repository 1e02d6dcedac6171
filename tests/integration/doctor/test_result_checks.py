"""The result side, as the doctor sees it: the development hub, a real object store and an issuer."""

from __future__ import annotations

import pytest

from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.s3 import S3Access
from flame_node_agent.devstack.testing import BucketServer, LazyParts
from tests.integration.doctor.conftest import Examined
from tests.integration.doctor.verdicts import assert_unseen, assert_well, assert_wrong

OF_RESULTS = ("flame-hub", "oidc", "object-store")


async def test_all_is_well_and_nothing_stays_in_the_bucket(examined: Examined, parts: LazyParts) -> None:
    bucket = parts.new_bucket()
    findings = await examined(sides="results", bucket=bucket)
    for name in OF_RESULTS:
        assert_well(findings[name])
    assert bucket.bucket in findings["object-store"].seen
    assert await names_in(bucket) == []


async def names_in(bucket: S3Access) -> list[str | None]:
    async with bucket.client() as client:
        return [found.object_name async for found in client.list_objects(bucket.bucket, recursive=True)]


async def test_without_a_result_side_nothing_of_it_is_looked_at(examined: Examined) -> None:
    findings = await examined(sides="tasks")
    for name in OF_RESULTS:
        assert_unseen(findings[name], "the result side is off")


async def test_credentials_that_the_hub_refuses(examined: Examined) -> None:
    findings = await examined(sides="results", HUB__AUTH__SECRET="nobodys-secret-4711")
    assert_wrong(findings["flame-hub"], "refuses the credentials", "HUB__AUTH__SECRET")


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("HUB__CORE_BASE_URL", "HUB__CORE_BASE_URL"),
        ("HUB__AUTH_BASE_URL", "HUB__AUTH_BASE_URL"),
        ("HUB__STORAGE_BASE_URL", "HUB__STORAGE_BASE_URL"),
    ],
)
async def test_a_part_of_the_hub_that_is_away(examined: Examined, variable: str, named: str) -> None:
    findings = await examined(sides="results", **{variable: "http://127.0.0.1:9"})
    assert_wrong(findings["flame-hub"], "", named)


async def test_a_hub_whose_core_fails(examined: Examined, hub: RunningHub) -> None:
    hub.fault(match="GET */nodes/*", status=403)
    findings = await examined(sides="results")
    assert_wrong(findings["flame-hub"], "core refuses", "rights")


async def test_an_issuer_that_is_away_or_is_none(
    examined: Examined, hub: RunningHub, oidc_issuer: OidcIssuer
) -> None:
    away = await examined(sides="results", OIDC__CERTS_URL="http://127.0.0.1:9/certs")
    assert_wrong(away["oidc"], "", "OIDC__CERTS_URL")
    other = await examined(sides="results", OIDC__CERTS_URL=f"{hub.urls.api}/health")
    assert_wrong(other["oidc"], "no JWKS", "OIDC__CERTS_URL")


async def test_an_issuer_without_a_usable_key(examined: Examined) -> None:
    findings = await examined(sides="results", OIDC__ALGORITHMS="EdDSA")
    assert_wrong(findings["oidc"], "no usable signing key", "OIDC__ALGORITHMS")


async def test_tokens_that_are_not_checked_are_told(examined: Examined) -> None:
    findings = await examined(sides="results", OIDC__SKIP_JWT_VALIDATION="1")
    assert_wrong(findings["oidc"], "unchecked", "OIDC__SKIP_JWT_VALIDATION")


async def test_a_bucket_that_is_not_there(examined: Examined) -> None:
    findings = await examined(sides="results", MINIO__BUCKET="nobodys-bucket")
    assert_wrong(findings["object-store"], "nobodys-bucket", "create the bucket")


async def test_a_secret_key_that_is_wrong(examined: Examined) -> None:
    findings = await examined(sides="results", MINIO__SECRET_KEY="nobodys-secret-4711")
    assert_wrong(findings["object-store"], "", "MINIO__ENDPOINT")
    assert "4711" not in repr(findings)


async def test_a_store_that_is_away(examined: Examined, s3: BucketServer) -> None:
    findings = await examined(sides="results", MINIO__ENDPOINT="127.0.0.1:9")
    assert_wrong(findings["object-store"], "", "MINIO__ENDPOINT")
