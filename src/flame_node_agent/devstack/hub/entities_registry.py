"""The core service's registries and master images. Nothing is pulled or built here; they can be named and listed."""

from __future__ import annotations

from flame_node_agent.devstack.hub.fields import ID, REALM_ID, TIMES, Entity, Field, Kind, Relation
from flame_node_agent.devstack.hub.profile import Release

_NAME = Field("name", create=True, update=True, required=True)

_REGISTRY = Entity(
    "registry",
    "registries",
    (
        ID,
        _NAME,
        Field("host", create=True, update=True, required=True),
        Field("account_name", create=True, update=True),
        Field("account_secret", create=True, update=True, on_request=True),
        *TIMES,
    ),
)
_REGISTRY_PROJECT = Entity(
    "registry_project",
    "registry-projects",
    (
        ID,
        _NAME,
        Field("type", create=True, update=True, required=True),
        Field("registry_id", Kind.UUID, create=True, update=True, required=True),
        Field("external_name", create=True, update=True, required=True),
        Field("external_id"),
        Field("public", Kind.BOOL, default=False),
        Field("webhook_name"),
        Field("webhook_exists", Kind.BOOL),
        Field("account_id"),
        Field("account_name", create=True, update=True),
        Field("account_secret", create=True, update=True, on_request=True),
        REALM_ID,
        *TIMES,
    ),
    filters=("id", "name", "type", "registry_id"),
    relations=(Relation("registry", "registry", "registry_id"),),
    constraints=("FOREIGN KEY (registry_id) REFERENCES registries (id) ON DELETE CASCADE",),
)
_MASTER_IMAGE_GROUP = Entity(
    "master_image_group",
    "master-image-groups",
    (ID, Field("name"), Field("path"), Field("virtual_path"), *TIMES),
    filters=("id", "name", "path", "virtual_path"),
    writable=False,
)
_MASTER_IMAGE = Entity(
    "master_image",
    "master-images",
    (
        ID,
        Field("name"),
        Field("path"),
        Field("virtual_path"),
        Field("group_virtual_path"),
        Field("build_status", since=Release.R0_8_30),
        Field("build_progress", Kind.INT, since=Release.R0_8_30),
        Field("command"),
        Field("command_arguments", Kind.JSON, default=[]),
        *TIMES,
    ),
    filters=("id", "name", "path", "virtual_path", "group_virtual_path"),
    writable=False,
)
REGISTRIES_AND_IMAGES = (_REGISTRY, _REGISTRY_PROJECT, _MASTER_IMAGE_GROUP, _MASTER_IMAGE)
