"""Three generations of the hub in memory: how each spells, wraps, filters and pages."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from flame_node_agent.hub.dialect import Dialect

RENAMED = {Dialect.LEGACY: "external_id", Dialect.SNAKE: "bucket_id", Dialect.CAMEL: "bucket_id"}


def camel(key: str) -> str:
    head, *tail = key.split("_")
    return head + "".join(word.capitalize() for word in tail)


def refusal(status: int, code: str = "bad_request", **more: Any) -> httpx.Response:
    body = {"statusCode": status, "code": code, "message": f"no: {code}"} | more
    return httpx.Response(status, json=body)


@dataclass
class Generation:
    """A hub that holds records as plain dicts in snake_case and shows them as its dialect does."""

    dialect: Dialect
    rejects_unknown_filters: bool = False
    with_schema: bool = True
    total_known: bool = True
    ignores_filters: bool = False
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    posted: list[dict[str, Any]] = field(default_factory=list)
    filterable: dict[str, set[str]] = field(
        default_factory=lambda: {
            "analysis-buckets": {"analysis_id", "type"},
            "analysis-bucket-files": {"analysis_id", "analysis_bucket_id", "path"},
            "bucket-files": {"id", "name", "bucket_id"},
        }
    )

    def add_bucket(
        self, analysis_id: UUID, kind: str, storage_id: UUID | None, bucket_id: UUID | None = None
    ) -> UUID:
        bucket_id = bucket_id or uuid4()
        record = {
            "id": str(bucket_id),
            "type": kind,
            RENAMED[self.dialect]: str(storage_id) if storage_id else None,
            "analysis_id": str(analysis_id),
            "created_at": "2026-01-01T00:00:00Z",
        }
        self.records.setdefault("analysis-buckets", []).append(record)
        return bucket_id

    def add(self, collection: str, **record: Any) -> None:
        shown = {key: str(value) if isinstance(value, UUID) else value for key, value in record.items()}
        self.records.setdefault(collection, []).append(shown | {"created_at": "2026-01-01T00:00:00Z"})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        collection, _, record_id = request.url.path.strip("/").partition("/")
        if request.method == "POST":
            return self._create(collection, json.loads(request.content))
        if record_id:
            return self._one(collection, record_id)
        return self._list(collection, request.url.params)

    def _create(self, collection: str, body: dict[str, Any]) -> httpx.Response:
        self.posted.append(body)
        needed = {
            Dialect.LEGACY: {"name", "external_id", "bucket_id"},
            Dialect.SNAKE: {"path", "bucket_file_id", "analysis_bucket_id"},
            Dialect.CAMEL: {"path", "bucketFileId", "analysisBucketId"},
        }[self.dialect]
        if not needed <= body.keys():
            return refusal(400)
        return httpx.Response(201, json=self._record({"id": str(uuid4())}, mutation=True))

    def _one(self, collection: str, record_id: str) -> httpx.Response:
        for record in self.records.get(collection, []):
            if record["id"] == record_id:
                return httpx.Response(200, json=self._record(record))
        return refusal(404, "entity_not_found")

    def _list(self, collection: str, params: httpx.QueryParams) -> httpx.Response:
        allowed = {self._spell(key): key for key in self.filterable[collection]}
        rows = list(self.records.get(collection, []))
        for name, value in params.items():
            match = re.fullmatch(r"filter\[(.+)]", name)
            if match is None or self.ignores_filters:
                continue
            if match[1] in allowed:
                rows = [row for row in rows if row.get(allowed[match[1]]) == value]
            elif self.rejects_unknown_filters:
                issue = {"type": "item", "code": "keyNotAllowed", "path": [match[1]]}
                return refusal(400, issues=[issue])
        if params.get("sort") == "-" + self._spell("created_at"):
            rows.reverse()
        limit, offset = int(params["page[limit]"]), int(params["page[offset]"])
        assert limit <= 50
        meta: dict[str, Any] = {"limit": limit, "offset": offset}
        if self.total_known:
            meta["total"] = len(rows)
        if self.dialect is Dialect.CAMEL and self.with_schema:
            meta["schema"] = {"strict": True, "filters": {"allowed": sorted(allowed)}}
        page = [self._shown(row) for row in rows[offset : offset + limit]]
        return httpx.Response(200, json={"data": page, "meta": meta})

    def _spell(self, key: str) -> str:
        return camel(key) if self.dialect is Dialect.CAMEL else key

    def _shown(self, record: dict[str, Any]) -> dict[str, Any]:
        return {self._spell(key): value for key, value in record.items()}

    def _record(self, record: dict[str, Any], *, mutation: bool = False) -> dict[str, Any]:
        shown = self._shown(record)
        if self.dialect is not Dialect.CAMEL:
            return shown
        return {"data": shown, "meta": {} if mutation else {"schema": {"name": "record"}}}
