"""Run by a published flame-hub-client: walks through its calls against a hub and prints what came back, as JSON.

Started as a process of its own whose PYTHONPATH holds one release of the client. Reads its orders (JSON) on stdin.
"""

from __future__ import annotations

import io
import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import flame_hub  # type: ignore[import-not-found] # which release it is, is the test's business
from flame_hub import auth, models

PEM = "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----\n"


def main() -> None:
    orders = json.load(sys.stdin)
    story = Story(orders)
    facts = {"version": flame_hub.__version__, "file": flame_hub.__file__, "flow": orders["flow"]}
    facts |= story.as_user() if orders["flow"] == "password" else story.as_node()
    json.dump(facts, sys.stdout, default=str)


class Story:
    """The calls of the Node Result Service and of its tests."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.orders = orders
        self.legacy = "external_id" in models.AnalysisBucket.model_fields
        base = orders["base"]
        authenticated = self.authenticator(orders["flow"], **orders["credentials"])
        self.auth = flame_hub.AuthClient(base_url=f"{base}/auth", auth=authenticated)
        self.core = flame_hub.CoreClient(base_url=f"{base}/core", auth=authenticated)
        self.storage = flame_hub.StorageClient(base_url=f"{base}/storage", auth=authenticated)
        self.authenticated = authenticated

    def authenticator(self, flow: str, **credentials: str) -> Any:
        names = {"password": "PasswordAuth", "robot": "RobotAuth", "client": "ClientAuth"}
        return getattr(auth, names[flow])(**credentials, base_url=f"{self.orders['base']}/auth")

    def as_user(self) -> dict[str, Any]:
        """What a researcher's account does: everything."""
        (realm,) = self.auth.find_realms(filter={"name": "master"})
        facts = self.nodes(realm) | self.projects() | self.missing() | self.refused()
        project = self.core.create_project(name=f"p-{uuid.uuid4()}")
        analysis = self.core.create_analysis(project, name="mean")
        facts["analysis_project"] = analysis.project_id == project.id
        facts["analysis_read"] = self.core.get_analysis(analysis.id).name
        facts["analysis_renamed"] = self.core.update_analysis(analysis, description="d").description
        facts["analysis_nested_project"] = self.core.get_analysis(analysis.id).project.id == project.id
        facts["locked"] = self.core.send_analysis_command(analysis, "configurationLock").configuration_locked
        self.core.send_analysis_command(analysis, "configurationUnlock")
        facts |= self.pairs(realm, project, analysis)
        facts |= self.files(analysis.id)
        facts["refreshed"] = self.refresh()
        self.core.delete_analysis(analysis)
        self.core.delete_project(project)
        facts["deleted"] = [self.core.get_analysis(analysis.id), self.core.get_project(project.id)]
        return facts

    def as_node(self) -> dict[str, Any]:
        """What a node's own account does: read what it needs, deliver results."""
        node = self.core.get_node(self.orders["node"])
        facts = {"node_key": bytes.fromhex(node.public_key).decode()} | self.missing() | self.refused()
        facts["project_of_analysis"] = self.core.get_analysis(self.orders["analysis"]).project_id
        facts |= self.files(self.orders["analysis"])
        return facts

    def nodes(self, realm: Any) -> dict[str, Any]:
        made = self.core.create_node(name=f"n-{uuid.uuid4()}", realm_id=realm)
        facts = {"node_without_key": made.public_key}
        keyed = self.core.update_node(made, public_key=PEM)
        facts["node_key"] = bytes.fromhex(keyed.public_key).decode()
        facts["node_read"] = self.core.get_node(made.id).public_key == keyed.public_key
        facts["node_found"] = [node.id for node in self.core.find_nodes(filter={"id": made.id})] == [made.id]
        by_name = self.core.find_nodes(filter={"name": ("~", made.name[:10])})
        facts["node_found_by_prefix"] = made.id in [node.id for node in by_name]
        facts["nodes_listed"] = len(self.core.get_nodes()) >= 2
        rows, meta = self.core.find_nodes(
            page={"limit": 1}, sort={"by": "created_at", "order": "descending"}, meta=True
        )
        facts["newest_node"] = (rows[0].id == made.id, meta.total >= 2)
        self.core.delete_node(made)
        facts["node_deleted"] = self.core.get_node(made.id)
        return facts

    def projects(self) -> dict[str, Any]:
        (image,) = self.core.find_master_images(filter={"virtual_path": "python/base"})
        made = self.core.create_project(name=f"p-{uuid.uuid4()}", master_image_id=image, description="d")
        facts = {"project_image": made.master_image_id == image.id}
        facts["project_nested_image"] = self.core.get_project(made.id).master_image.virtual_path
        facts["project_changed"] = self.core.update_project(made, description="e").description
        facts["projects_found"] = [p.id for p in self.core.find_projects(filter={"name": made.name})] == [
            made.id
        ]
        facts["projects_listed"] = len(self.core.get_projects()) >= 1
        self.core.delete_project(made)
        return facts

    def pairs(self, realm: Any, project: Any, analysis: Any) -> dict[str, Any]:
        node = self.core.create_node(name=f"n-{uuid.uuid4()}", realm_id=realm)
        in_project = self.core.create_project_node(project, node)
        approved = self.core.update_project_node(in_project, approval_status="approved").approval_status
        in_analysis = self.core.create_analysis_node(analysis, node)
        allowed = self.core.update_analysis_node(in_analysis, approval_status="approved").approval_status
        found = self.core.find_analysis_nodes(filter={"analysis_id": analysis.id})
        facts = {
            "approvals": [approved, allowed],
            "analysis_nodes": [row.node_id == node.id for row in found],
        }
        self.core.delete_analysis_node(in_analysis)
        self.core.delete_project_node(in_project)
        self.core.delete_node(node)
        return facts

    def files(self, analysis_id: Any) -> dict[str, Any]:
        """Find the bucket, upload, link or wait for the link, stream, delete."""
        everything = self.core.find_analysis_buckets(filter={"analysis_id": analysis_id})
        facts: dict[str, Any] = {"bucket_types": sorted(getattr(b.type, "value", b.type) for b in everything)}
        (bucket,) = self.core.find_analysis_buckets(filter={"analysis_id": analysis_id, "type": "RESULT"})
        storage_id = bucket.external_id if self.legacy else bucket.bucket_id
        facts["bucket_read"] = self.core.get_analysis_bucket(bucket.id).analysis_id == bucket.analysis_id
        facts["storage_bucket"] = self.storage.get_bucket(storage_id).id == storage_id
        name, content = f"r-{uuid.uuid4()}.bin", uuid.uuid4().bytes * 10_000
        both = [
            {"file_name": name, "content": content},
            {"file_name": f"{name}.2", "content": io.BytesIO(b"two")},
        ]
        first, second = self.storage.upload_to_bucket(storage_id, *both)
        facts["uploaded"] = [(first.name == name, first.size), (second.path == f"{name}.2", second.size)]
        if self.legacy:
            link = self.core.create_analysis_bucket_file(
                name=first.name, bucket_file_id=first, analysis_bucket_id=bucket
            )
            facts["linked"] = (link.external_id == first.id, link.bucket_id == bucket.id)
        else:
            link = eventually(lambda: self.newest_link(analysis_id, first))
            facts["linked"] = (link.bucket_file_id == first.id, link.analysis_bucket_id == bucket.id)
            facts["second_link"] = self.error(
                self.core.create_analysis_bucket_file, first.path, first, storage_id, bucket
            )
        facts["link_read"] = self.core.get_analysis_bucket_file(link.id).id == link.id
        facts["entrypoint"] = self.core.update_analysis_bucket_file(link, is_entrypoint=True).root
        facts["streamed"] = b"".join(self.storage.stream_bucket_file(first.id)) == content
        facts["file_read"] = self.storage.get_bucket_file(first.id).bucket.id == storage_id
        in_bucket = self.storage.find_bucket_files(filter={"bucket_id": storage_id, "name": name})
        facts["files_found"] = [file.id for file in in_bucket] == [first.id]
        facts["same_name_again"] = self.error(self.storage.upload_to_bucket, storage_id, both[0])
        if self.legacy:
            self.core.delete_analysis_bucket_file(link)
        for file in (first, second):
            self.storage.delete_bucket_file(file)
        facts["file_deleted"] = self.storage.get_bucket_file(first.id)
        facts["link_deleted"] = self.core.get_analysis_bucket_file(link.id)
        return facts

    def newest_link(self, analysis_id: Any, file: Any) -> Any:
        links = self.core.find_analysis_bucket_files(
            filter={"analysis_id": analysis_id}, sort={"by": "created_at", "order": "descending"}
        )
        return next((link for link in links if link.bucket_file_id == file.id), None)

    def missing(self) -> dict[str, Any]:
        unknown = uuid.uuid4()
        reads: list[Callable[[Any], Any]] = [
            self.core.get_node,
            self.core.get_project,
            self.core.get_analysis,
            self.core.get_analysis_bucket,
            self.core.get_analysis_bucket_file,
            self.storage.get_bucket,
            self.storage.get_bucket_file,
        ]
        none_found = self.core.find_analysis_buckets(filter={"analysis_id": unknown, "type": "TEMP"})
        missing_stream = self.error(lambda: b"".join(self.storage.stream_bucket_file(unknown)))
        return {
            "missing": [read(unknown) for read in reads],
            "none_found": none_found,
            "missing_stream": missing_stream,
            "upload_to_nowhere": self.error(
                self.storage.upload_to_bucket, unknown, {"file_name": "x", "content": b"x"}
            ),
        }

    def refused(self) -> dict[str, Any]:
        wrong = {
            key: "wrong" if "id" not in key else value for key, value in self.orders["credentials"].items()
        }
        client = flame_hub.CoreClient(
            base_url=f"{self.orders['base']}/core", auth=self.authenticator(self.orders["flow"], **wrong)
        )
        return {"wrong_credentials": self.error(client.get_nodes)}

    def refresh(self) -> bool:
        """Let the token look expired; the next call must get a new one with the refresh token."""
        before = self.authenticated._current_token.access_token
        self.authenticated._current_token_expires_at_nanos = 0
        self.core.get_nodes()
        return bool(self.authenticated._current_token.access_token != before)

    def error(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Status and message of the error a call ends in, or what it returns."""
        try:
            return call(*arguments)
        except flame_hub.HubAPIError as error:
            response = error.error_response
            return [response.status_code, response.message] if response else [None, str(error)]


def eventually(look: Callable[[], Any]) -> Any:
    for _ in range(100):
        if found := look():
            return found
        time.sleep(0.02)
    raise TimeoutError


if __name__ == "__main__":
    main()
