"""The result side: the FLAME hub, the issuer of the analyses' tokens, and the object store."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

from flame_node_agent.doctor.findings import Finding, failed, ok, skipped
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubError,
    HubRefused,
    IssuerUnavailable,
    ObjectNotFound,
    ObjectStoreError,
)
from flame_node_agent.hub.exchange import exchange
from flame_node_agent.hub.hub import Hub
from flame_node_agent.results.issuer_keys import key_ring
from flame_node_agent.stores.objects import ObjectStore

NO_RESULT_SIDE = "the result side is off"
PREFIX = "doctor/"
"""Of the object that is written and read back; every other key of the bucket starts otherwise."""


async def check_flame_hub(ground: Ground) -> Finding:
    """Whether the FLAME hub accepts this node's credentials, and its core and storage answer."""
    if ground.results is None:
        return skipped(NO_RESULT_SIDE)
    hub = Hub.open(ground.results, ground.transport)
    try:
        # Nobody has this id: whoever may ask hears that there is no such node.
        await hub.core.get_node(uuid.uuid4())
    except HubCredentialsRefused as error:
        return failed(
            f"the hub refuses the credentials of this node: {error}",
            "check HUB__AUTH__FLOW, HUB__AUTH__ID and HUB__AUTH__SECRET",
        )
    except HubRefused as error:
        return failed(
            f"core refuses: {error}", "have the hub's administrator look at the rights of this node"
        )
    except HubError as error:
        return failed(
            str(error),
            "check HUB__CORE_BASE_URL and HUB__AUTH_BASE_URL, firewall and proxy; results wait meanwhile",
        )
    finally:
        await hub.aclose()
    storage = ground.transport.client(str(ground.results.hub.storage_base_url))
    try:
        await exchange(storage, storage.build_request("GET", ""), "storage")
    except HubError as error:
        return failed(f"storage: {error}", "check HUB__STORAGE_BASE_URL; results wait meanwhile")
    return ok("signed in; core and storage answer")


async def check_oidc(ground: Ground) -> Finding:
    """Whether the issuer's signing keys can be had, and one of them is usable."""
    if ground.results is None:
        return skipped(NO_RESULT_SIDE)
    oidc = ground.results.oidc
    if oidc.skip_jwt_validation:
        return failed(
            "tokens are believed unchecked", "take OIDC__SKIP_JWT_VALIDATION out, unless this is a test"
        )
    try:
        document = await ground.transport.get_json(str(oidc.certs_url))
        ring = key_ring(document, frozenset(oidc.algorithms))
    except (HubError, IssuerUnavailable) as error:
        return failed(
            str(error), "check OIDC__CERTS_URL and whether the issuer runs; analyses get 502 until then"
        )
    if not ring.keys:
        return failed(
            "the issuer has no usable signing key",
            f"check OIDC__ALGORITHMS, which is {','.join(oidc.algorithms)}",
        )
    return ok(f"{len(ring.keys)} signing key{'s' if len(ring.keys) > 1 else ''}")


async def check_object_store(ground: Ground) -> Finding:
    """Whether a small object can be written, read back as it was, and removed."""
    if ground.results is None:
        return skipped(NO_RESULT_SIDE)
    store, bucket = ObjectStore.open(ground.results), ground.results.minio.bucket
    key, content = f"{PREFIX}{uuid.uuid4()}", uuid.uuid4().bytes
    try:
        await store.check()
        await store.put(key, _once(content))
        async with store.read(key) as reader:
            read = b"".join([block async for block in reader.chunks()])
        await store.delete(key)
    except ObjectNotFound as error:
        return failed(str(error), "create the bucket of MINIO__BUCKET; the node does not do that itself")
    except ObjectStoreError as error:
        return failed(
            str(error),
            "check MINIO__ENDPOINT, MINIO__USE_SSL, the keys, and that they may read, write and delete in the bucket",
        )
    finally:
        await store.close()
    if read != content:
        return failed(
            f"bucket {bucket} gives other bytes than it was given", "the store is damaged: look at its disks"
        )
    return ok(f"wrote, read and removed an object in bucket {bucket}")


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
