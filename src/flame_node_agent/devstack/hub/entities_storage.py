"""The storage service's records: buckets and the files in them."""

from __future__ import annotations

from flame_node_agent.devstack.hub.fields import ID, REALM_ID, TIMES, Catalogue, Entity, Field, Kind, Relation

_ACTOR = (Field("actor_type"), Field("actor_id", Kind.UUID), REALM_ID)

BUCKET_ENTITY = Entity(
    "bucket",
    "buckets",
    (
        ID,
        Field("name", create=True, required=True),
        Field("region", create=True, update=True),
        *_ACTOR,
        *TIMES,
    ),
    filters=("id", "name", "realm_id", "actor_type", "actor_id"),
    sorts=("id", "created_at", "updated_at"),
    constraints=("UNIQUE (name)",),
    by_name=True,
)
# PrivateAIM/hub 2b6e000: UNIQUE(bucket_id, path). ``path`` cannot be filtered by.
BUCKET_FILE_ENTITY = Entity(
    "bucket_file",
    "bucket-files",
    (
        ID,
        Field("name", max_length=256),
        Field("path", max_length=512),
        Field("hash"),
        Field("directory"),
        Field("size", Kind.INT),
        *_ACTOR,
        Field("bucket_id", Kind.UUID),
        *TIMES,
        Field("meant_path", secret=True),
        Field("sha256", secret=True),
        Field("link_due", Kind.BOOL, default=False, secret=True),
    ),
    filters=("id", "name", "directory", "realm_id", "actor_type", "actor_id", "bucket_id"),
    sorts=("id", "directory", "name", "created_at", "updated_at"),
    relations=(Relation("bucket", "bucket", "bucket_id"),),
    constraints=(
        "UNIQUE (bucket_id, path)",
        "FOREIGN KEY (bucket_id) REFERENCES buckets (id) ON DELETE CASCADE",
    ),
    writable=False,
)

STORAGE = Catalogue("storage", (BUCKET_ENTITY, BUCKET_FILE_ENTITY))
