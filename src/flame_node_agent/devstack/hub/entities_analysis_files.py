"""The core service's records of an analysis' files: its three buckets, and the links to what is in them."""

from __future__ import annotations

from flame_node_agent.devstack.hub.fields import ID, OWNERS, REALM_ID, TIMES, Entity, Field, Kind, Relation
from flame_node_agent.devstack.hub.profile import Release

_ANALYSIS_BUCKET = Entity(
    "analysis_bucket",
    "analysis-buckets",
    (
        ID,
        Field("type"),
        Field("bucket_id", Kind.UUID, legacy="external_id"),
        Field("analysis_id", Kind.UUID),
        REALM_ID,
        *TIMES,
    ),
    filters=("analysis_id", "type", "analysis.id", "analysis.name"),
    sorts=("type", "created_at", "updated_at"),
    relations=(Relation("analysis", "analysis", "analysis_id"),),
    constraints=(
        "UNIQUE (analysis_id, type)",
        "FOREIGN KEY (analysis_id) REFERENCES analyses (id) ON DELETE CASCADE",
    ),
    writable=False,
)
# In 0.8.21 ``bucket_id`` means the ANALYSIS bucket, later the storage bucket.
_ANALYSIS_BUCKET_FILE = Entity(
    "analysis_bucket_file",
    "analysis-bucket-files",
    (
        ID,
        Field("path", legacy="name", create=True, required=True, max_length=256),
        Field("root", Kind.BOOL, default=False, create=True, update=True),
        Field("bucket_id", Kind.UUID, create=True, required=True, since=Release.R0_8_30),
        Field("bucket_file_id", Kind.UUID, legacy="external_id", create=True, required=True),
        Field("analysis_bucket_id", Kind.UUID, legacy="bucket_id", create=True, required=True),
        Field("analysis_id", Kind.UUID),
        *OWNERS,
        REALM_ID,
        *TIMES,
    ),
    filters=(
        "path",
        "root",
        "analysis_bucket_id",
        "analysis_id",
        "analysis.id",
        "analysis.name",
        "analysis_bucket.type",
    ),
    sorts=("path", "created_at", "updated_at"),
    relations=(
        Relation("analysis", "analysis", "analysis_id"),
        Relation("analysis_bucket", "analysis_bucket", "analysis_bucket_id", legacy="bucket"),
    ),
    constraints=(
        "FOREIGN KEY (analysis_id) REFERENCES analyses (id) ON DELETE CASCADE",
        "FOREIGN KEY (analysis_bucket_id) REFERENCES analysis_buckets (id) ON DELETE CASCADE",
    ),
)
ANALYSIS_FILES = (_ANALYSIS_BUCKET, _ANALYSIS_BUCKET_FILE)
