"""What `flame-node dev` tells the outside once everything is up: one JSON file, for people and for test programs."""

from __future__ import annotations

import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from flame_node_agent.devstack.private_files import write_private
from flame_node_agent.devstack.stack import Stack

TOKEN_SECONDS = 24 * 3600
"""Tokens in the file are good for a day."""

HUB_ADAPTER = "hub-adapter"
"""The client that may delete local results: the default of HUB_ADAPTER_CLIENT_ID."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class HubAddresses(_Facts):
    auth_url: str
    core_url: str
    storage_url: str
    admin_url: str


class OidcAddresses(_Facts):
    issuer: str
    token_url: str
    certs_url: str


class S3Facts(_Facts):
    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    region: str


class PostgresFacts(_Facts):
    dsn: str


class TaskHubFacts(_Facts):
    api_url: str
    trust_api_key: str
    aes_key_base64: str
    trust_id: uuid.UUID
    trust_name: str
    internal_service_key: str


class OmopFacts(_Facts):
    dsn: str
    reader_dsn: str


class AnalysisFacts(_Facts):
    analysis_id: uuid.UUID
    project_id: uuid.UUID
    token: str


class NodeFacts(_Facts):
    id: uuid.UUID
    curve: str
    private_key_pem: str


class Pids(_Facts):
    agent: int
    data_access: int
    hub: int
    s3: int
    postgres: int


class ReadyFile(_Facts):
    """The file's content. ``restart`` starts the agent again with the same settings, from an empty environment."""

    result_url: str
    hub: HubAddresses
    oidc: OidcAddresses
    s3: S3Facts
    postgres: PostgresFacts
    task_hub: TaskHubFacts
    data_access_url: str
    omop: OmopFacts
    analyses: list[AnalysisFacts]
    own_public_key_pem: str
    nodes: list[NodeFacts]
    hub_adapter_token: str
    pids: Pids
    restart: list[str]

    @classmethod
    def of(cls, stack: Stack) -> ReadyFile:
        """Describe a running stack; every call issues fresh tokens."""
        oidc, urls, bucket, trust = stack.oidc, stack.hub.urls, stack.bucket, stack.seed.trust
        return cls(
            result_url=stack.agent.url,
            hub=HubAddresses(
                auth_url=urls.auth, core_url=urls.core, storage_url=urls.storage, admin_url=urls.admin
            ),
            oidc=OidcAddresses(issuer=oidc.issuer, token_url=oidc.token_url, certs_url=oidc.certs_url),
            s3=S3Facts(
                endpoint=bucket.endpoint,
                access_key=bucket.access_key,
                secret_key=bucket.secret_key,
                bucket=bucket.bucket,
                region=bucket.region,
            ),
            postgres=PostgresFacts(dsn=stack.database.dsn),
            task_hub=TaskHubFacts(
                api_url=urls.api,
                trust_api_key=trust.api_key,
                aes_key_base64=trust.aes_key_base64,
                trust_id=trust.id,
                trust_name=trust.name,
                internal_service_key=trust.internal_service_key,
            ),
            data_access_url=stack.data_access.url,
            omop=OmopFacts(dsn=stack.omop.dsn, reader_dsn=stack.omop.reader_dsn),
            analyses=[
                AnalysisFacts(
                    analysis_id=analysis.id,
                    project_id=analysis.project_id,
                    token=oidc.issue(str(analysis.id), lifetime_seconds=TOKEN_SECONDS),
                )
                for analysis in stack.seed.analyses
            ],
            own_public_key_pem=stack.nodes.own.public_key_pem,
            nodes=[
                NodeFacts(id=node.id, curve=node.curve, private_key_pem=node.private_key_pem)
                for node in stack.nodes.others
            ],
            hub_adapter_token=oidc.issue(HUB_ADAPTER, lifetime_seconds=TOKEN_SECONDS),
            pids=Pids(**{name: child.pid for name, child in stack.children().items()}),
            restart=stack.agent.command,
        )

    def write(self, path: Path) -> None:
        """Replace ``path`` in one step, with mode 0600."""
        write_private(path, self.model_dump_json(indent=2) + "\n")
