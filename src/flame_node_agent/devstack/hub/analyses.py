"""What an analysis brings with it, and what goes with it: three buckets and all that is in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.entities import (
    ANALYSIS,
    ANALYSIS_BUCKET,
    ANALYSIS_BUCKET_FILE,
    BUCKET,
    BUCKET_FILE,
    PROJECT,
)
from flame_node_agent.devstack.hub.fields import Entity
from flame_node_agent.devstack.hub.records import Row
from flame_node_agent.devstack.hub.refusals import bad_request

BUCKET_TYPES = ("CODE", "RESULT", "TEMP")


def add_analysis(connection: sqlite3.Connection, values: Mapping[str, Any]) -> Row:
    """Insert an analysis of an existing project together with its CODE, RESULT and TEMP buckets.

    Real hubs make the buckets a moment later; here they are there at once.
    """
    project = records.get(connection, PROJECT, values["project_id"])
    if project is None:
        raise bad_request("Can't find project entity by project_id.")
    analysis_id = values.get("id") or records.new_id()
    inherited = {
        "id": analysis_id,
        "realm_id": project["realm_id"],
        "master_image_id": values.get("master_image_id") or project["master_image_id"],
        # FLAME hubs make up a name where none is given.
        "name": values.get("name") or f"analysis-{analysis_id[:8]}",
    }
    analysis = records.insert(connection, ANALYSIS, {**values, **inherited})
    for bucket_type in BUCKET_TYPES:
        analysis_bucket_id = records.new_id()
        # The core service, a robot, owns the storage bucket; its name is the analysis bucket's id.
        bucket = records.insert(
            connection,
            BUCKET,
            {
                "name": analysis_bucket_id,
                "realm_id": analysis["realm_id"],
                "actor_type": "robot",
                "actor_id": analysis["realm_id"],
            },
        )
        values_of_bucket = {
            "id": analysis_bucket_id,
            "type": bucket_type,
            "bucket_id": bucket["id"],
            "analysis_id": analysis["id"],
            "realm_id": analysis["realm_id"],
        }
        records.insert(connection, ANALYSIS_BUCKET, values_of_bucket)
    return analysis


def remove(connection: sqlite3.Connection, entity: Entity, row: Row) -> list[str]:
    """Delete a record with everything that belongs to it; returns the ids of the stored files to throw away."""
    files: list[str] = []
    if entity is PROJECT:
        for analysis in records.find_all(connection, ANALYSIS, "project_id", row["id"]):
            files += remove(connection, ANALYSIS, analysis)
    elif entity is ANALYSIS:
        for analysis_bucket in records.find_all(connection, ANALYSIS_BUCKET, "analysis_id", row["id"]):
            bucket = records.get(connection, BUCKET, analysis_bucket["bucket_id"])
            files += remove(connection, BUCKET, bucket) if bucket else []
    elif entity is BUCKET:
        for file in records.find_all(connection, BUCKET_FILE, "bucket_id", row["id"]):
            files += remove(connection, BUCKET_FILE, file)
    elif entity is BUCKET_FILE:
        for link in records.find_all(connection, ANALYSIS_BUCKET_FILE, "bucket_file_id", row["id"]):
            records.delete(connection, ANALYSIS_BUCKET_FILE, link["id"])
        files.append(row["id"])
    records.delete(connection, entity, row["id"])
    return files
