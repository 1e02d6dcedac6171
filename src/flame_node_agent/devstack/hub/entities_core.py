"""The core service's records: nodes, projects and analyses, and the list of all that the service keeps."""

from __future__ import annotations

from flame_node_agent.devstack.hub.entities_analysis_files import ANALYSIS_FILES
from flame_node_agent.devstack.hub.entities_registry import REGISTRIES_AND_IMAGES
from flame_node_agent.devstack.hub.fields import (
    ID,
    OWNERS,
    REALM_ID,
    TIMES,
    Catalogue,
    Entity,
    Field,
    Kind,
    Relation,
)
from flame_node_agent.devstack.hub.profile import Release

_NEW = Release.R0_8_30
_OLD = Release.R0_8_21
_NAME = Field("name", create=True, update=True, required=True)
_DISPLAY_NAME = Field("display_name", create=True, update=True, since=_NEW)
_DESCRIPTION = Field("description", create=True, update=True)
_IMAGE_ID = Field("master_image_id", Kind.UUID, create=True, update=True)
_REGISTRY_ID = Field("registry_id", Kind.UUID, create=True, update=True)
_APPROVAL = Field("approval_status", update=True, choices=frozenset({"approved", "rejected"}))
_COMMENT = Field("comment", update=True)
_BY_TIME = ("created_at", "updated_at")

_NODE = Entity(
    "node",
    "nodes",
    (
        ID,
        _NAME,
        Field("external_name", create=True, update=True),
        Field("hidden", Kind.BOOL, default=False, create=True, update=True),
        Field(
            "type", default="default", create=True, update=True, choices=frozenset({"default", "aggregator"})
        ),
        Field("online", Kind.BOOL, default=False),
        Field("public_key", create=True, update=True, max_length=4096),
        Field("robot_id", Kind.UUID),
        Field("client_id", Kind.UUID, since=_NEW),
        Field("realm_id", Kind.UUID, create=True, update=True),
        _REGISTRY_ID,
        Field("registry_project_id", Kind.UUID),
        *TIMES,
    ),
    filters=("id", "name", "online", "hidden", "client_id", "realm_id", "robot_id"),
    sorts=("id", "name", *_BY_TIME),
    relations=(
        Relation("registry", "registry", "registry_id"),
        Relation("registry_project", "registry_project", "registry_project_id"),
    ),
    constraints=("UNIQUE (name, realm_id)",),
)
_PROJECT = Entity(
    "project",
    "projects",
    (
        ID,
        _NAME,
        _DISPLAY_NAME,
        _DESCRIPTION,
        Field("nodes", Kind.INT, computed="(SELECT count(*) FROM project_nodes x WHERE x.project_id = t.id)"),
        Field("analyses", Kind.INT, computed="(SELECT count(*) FROM analyses x WHERE x.project_id = t.id)"),
        _IMAGE_ID,
        REALM_ID,
        *OWNERS,
        *TIMES,
    ),
    filters=("id", "name", "display_name", "realm_id", "user_id"),
    relations=(Relation("master_image", "master_image", "master_image_id"),),
    constraints=("UNIQUE (name)",),
)
_PROJECT_NODE = Entity(
    "project_node",
    "project-nodes",
    (
        ID,
        # flame-hub-client 0.2.7 accepts no null here: hubs of its time approved at once when told to skip approval.
        Field("approval_status", default="approved", update=True, choices=_APPROVAL.choices),
        _COMMENT,
        Field("project_id", Kind.UUID, create=True, required=True),
        Field("project_realm_id", Kind.UUID),
        Field("node_id", Kind.UUID, create=True, required=True),
        Field("node_realm_id", Kind.UUID),
        *TIMES,
    ),
    filters=("project_realm_id", "project_id", "node_realm_id", "node_id"),
    sorts=_BY_TIME,
    relations=(Relation("node", "node", "node_id"), Relation("project", "project", "project_id")),
    constraints=(
        "UNIQUE (project_id, node_id)",
        "FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE",
        "FOREIGN KEY (node_id) REFERENCES nodes (id) ON DELETE CASCADE",
    ),
)
_ANALYSIS = Entity(
    "analysis",
    "analyses",
    (
        ID,
        Field("name", create=True, update=True),
        _DISPLAY_NAME,
        _DESCRIPTION,
        Field(
            "nodes", Kind.INT, computed="(SELECT count(*) FROM analysis_nodes x WHERE x.analysis_id = t.id)"
        ),
        Field(
            "nodes_approved",
            Kind.INT,
            since=_NEW,
            computed="(SELECT count(*) FROM analysis_nodes x WHERE x.analysis_id = t.id"
            " AND x.approval_status = 'approved')",
        ),
        Field("configuration_locked", Kind.BOOL, default=False),
        *(
            Field(f"configuration_{part}_valid", Kind.BOOL, default=False, since=_NEW)
            for part in ("entrypoint", "image", "node_aggregator", "node_default", "nodes")
        ),
        Field("build_nodes_valid", Kind.BOOL, default=False, since=_NEW),
        Field("build_status"),
        Field("build_progress", Kind.INT, since=_NEW),
        Field("build_hash", since=_NEW),
        Field("build_os", since=_NEW),
        Field("build_size", Kind.INT, since=_NEW),
        Field("run_status", until=_OLD),
        Field("distribution_status", since=_NEW),
        Field("distribution_progress", Kind.INT, since=_NEW),
        Field("execution_status", since=_NEW),
        Field("execution_progress", Kind.INT, since=_NEW),
        Field("project_id", Kind.UUID, create=True, required=True),
        _REGISTRY_ID,
        _IMAGE_ID,
        Field("image_command_arguments", Kind.JSON, default=[], create=True, update=True),
        Field("user_id", Kind.UUID),
        Field("client_id", Kind.UUID, since=_NEW),
        REALM_ID,
        *TIMES,
    ),
    filters=(
        "id",
        "name",
        "display_name",
        "description",
        "project_id",
        "realm_id",
        "build_status",
        "execution_status",
    ),
    relations=(
        Relation("project", "project", "project_id"),
        Relation("master_image", "master_image", "master_image_id"),
        Relation("registry", "registry", "registry_id", until=_NEW),
    ),
    constraints=("FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE",),
    newest_first=True,
)
_ANALYSIS_NODE = Entity(
    "analysis_node",
    "analysis-nodes",
    (
        ID,
        _APPROVAL,
        Field("run_status", update=True, until=_OLD),
        Field("execution_status", update=True, since=_NEW),
        Field("execution_progress", Kind.INT, update=True, since=_NEW),
        _COMMENT,
        Field("artifact_tag"),
        Field("artifact_digest"),
        Field("analysis_id", Kind.UUID, create=True, required=True),
        Field("analysis_realm_id", Kind.UUID),
        Field("node_id", Kind.UUID, create=True, required=True),
        Field("node_realm_id", Kind.UUID),
        *TIMES,
    ),
    filters=(
        "execution_status",
        "approval_status",
        "analysis_id",
        "analysis_realm_id",
        "node_id",
        "node_realm_id",
    ),
    sorts=_BY_TIME,
    relations=(Relation("node", "node", "node_id"), Relation("analysis", "analysis", "analysis_id")),
    constraints=(
        "UNIQUE (analysis_id, node_id)",
        "FOREIGN KEY (analysis_id) REFERENCES analyses (id) ON DELETE CASCADE",
        "FOREIGN KEY (node_id) REFERENCES nodes (id) ON DELETE CASCADE",
    ),
)

CORE = Catalogue(
    "core",
    (
        *REGISTRIES_AND_IMAGES,
        _NODE,
        _PROJECT,
        _PROJECT_NODE,
        _ANALYSIS,
        _ANALYSIS_NODE,
        *ANALYSIS_FILES,
    ),
)
