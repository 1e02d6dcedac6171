"""One valid payload of each type of task, and what each asks of a service."""

from __future__ import annotations

from typing import Any

import respx

from tests.unit.tasks.conftest import DATA_ACCESS, IMAGING

PROJECT = "0b9b0cf4-6b83-4d4c-8d6b-6a9a3a1d2c11"
TRUST = "5d0e4ad6-3e0a-4c59-9b15-6a2f4e2c0d22"
USER = "f3b7f9a8-0a52-4a0c-a1b2-9d5b1c6d7e33"
EMAIL = "ada@hospital.example"
SQL = "SELECT person_id FROM omop.person"

COHORT_QUERY = {
    "encrypted_project_id": "c2VhbGVk",
    "query_id": "query-1",
    "query_name": "Stroke",
    "query": SQL,
    "trust_id": TRUST,
}
PERSIST_COHORT = {
    "project_id": PROJECT,
    "trust_id": TRUST,
    "encrypted_project_id": "c2VhbGVk",
    "query": SQL,
    "query_id": "query-1",
}
CREATE_IMAGING = {
    "project_id": PROJECT,
    "trust_id": TRUST,
    "project_name": "Stroke",
    "query": SQL,
    "users": [{"id": USER, "email": EMAIL}],
}
IMAGING_STATUS = {"imaging_project_id": "P-1_a", "encoded_query": "U0VMRUNUIDE_"}

PAYLOADS: dict[str, dict[str, Any]] = {
    "cohort_query": COHORT_QUERY,
    "create_imaging": CREATE_IMAGING,
    "delete_imaging": {"imaging_project_id": PROJECT},
    "get_imaging_status": IMAGING_STATUS,
    "reimport_studies": IMAGING_STATUS,
    "update_user_profile": {"email": EMAIL, "enabled": False},
    "persist_cohort": PERSIST_COHORT,
}

CALLS = {
    "cohort_query": ("POST", f"{DATA_ACCESS}/cohort"),
    "create_imaging": ("POST", f"{IMAGING}/projects/create-project-from-central-hub-project"),
    "delete_imaging": ("DELETE", f"{IMAGING}/projects/{PROJECT}"),
    "get_imaging_status": ("GET", f"{IMAGING}/retrieval/import_status_count/P-1_a"),
    "reimport_studies": ("PUT", f"{IMAGING}/retrieval/reimport_imaging_project_studies/P-1_a"),
    "update_user_profile": ("PUT", f"{IMAGING}/users"),
    "persist_cohort": ("POST", f"{DATA_ACCESS}/cohort/snapshot"),
}


def route_of(mocked: respx.MockRouter, task_type: str) -> respx.Route:
    method, url = CALLS[task_type]
    return mocked.route(method=method, url__startswith=url)
