"""The kit has FLIP's sections and names, and every variable that a service of the node cannot start without."""

from __future__ import annotations

import re

import pytest

from flame_node_agent.config.catalogue import READERS, catalogue
from flame_node_agent.config.introspection import variables
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.sections import NAMES, SECTIONS, is_placeholder
from flame_node_agent.kit.template import render_template
from tests.unit.reference_pages import ROOT, assert_prose, assert_same, page, rows, sections

FLIPS_OWN = """
OMOP_DB_PORT PACS_UI_PORT XNAT_PORT TRUST_DEBUG_PORT IMAGING_DEBUG_PORT DATA_ACCESS_DEBUG_PORT GRAFANA_PORT LOKI_PORT
ORTHANC_STORAGE_DIR BASE_IMAGES_DOWNLOAD_DIR XNAT_DATA_DIR FL_KIT_DIR AICENTRE_BUCKET_NAME OMOP_DATA_DIR
ORTHANC_USERNAME ORTHANC_PASSWORD OMOP_POSTGRES_USER OMOP_POSTGRES_PASSWORD OMOP_POSTGRES_DB OMOP_DB_TAG
DATA_ACCESS_POSTGRES_USER DATA_ACCESS_POSTGRES_PASSWORD COHORT_QUERY_THRESHOLD XNAT_ADMIN_USER
XNAT_ADMIN_INITIAL_PASSWORD XNAT_ADMIN_PASSWORD XNAT_SERVICE_USER XNAT_SERVICE_PASSWORD XNAT_DATASOURCE_PASSWORD
XNAT_DATASOURCE_ADMIN_PASSWORD XNAT_ACTIVEMQ_PASSWORD DATA_ACCESS_API_URL IMAGING_API_URL
TRUST_INTERNAL_SERVICE_KEY_HEADER GRAFANA_ADMIN_PASSWORD PACS_DICOM_PORT POLL_INTERVAL_SECONDS DATA_ACCESS_API_PORT
IMAGING_API_PORT TRUST_API_PORT TRUST_LOG_LEVEL NUM_AVAILABLE_GPUS MEMORY_PER_GPU_IN_GIB MIN_CLIENTS
AES_KEY_BASE64 CENTRAL_HUB_API_URL TRUST_API_KEY_HEADER FL_BACKEND FLOWER_KIT_DATE FLARE_KIT_DATE DOCKER_TAG
DOCKER_REGISTRY DOCKER_FL_TAG DOCKER_FL_REGISTRY NLB_SUBDOMAIN FL_SERVER_PORT
TRUST_API_KEY TRUST_INTERNAL_SERVICE_KEY FL_KIT_SLOT FL_KIT_SLOT_NUMBER EXPECTED_TRUST_ID TRUST_NAME TRUST_CODE
TRUST_REGION
""".split()  # noqa: SIM905 - a list of words is easier to compare with its source
"""Every name of FLIP's kits (``trust/.env.<CODE>``)."""

HUB_SHARED = """
AES_KEY_BASE64 CENTRAL_HUB_API_URL TRUST_API_KEY_HEADER FL_BACKEND FLOWER_KIT_DATE FLARE_KIT_DATE DOCKER_TAG
DOCKER_REGISTRY DOCKER_FL_TAG DOCKER_FL_REGISTRY NLB_SUBDOMAIN FL_SERVER_PORT
""".split()  # noqa: SIM905 - a list of words is easier to compare with its source

RESULT_SIDE = {variable.name for variable in variables(READERS["agent (results)"])} - {
    variable.name for variable in variables(READERS["agent (tasks)"])
}


def test_the_template_is_the_one_that_the_code_writes() -> None:
    written = (ROOT / "trust" / "kit.env.example").read_text("utf-8")
    assert written == render_template(), "trust/kit.env.example: write it anew with render_template()"


def test_every_name_of_flips_kits_has_its_place() -> None:
    assert set(FLIPS_OWN) <= set(EnvText(render_template()).values)


def test_the_part_of_the_hub_stands_below_flips_own_line() -> None:
    line = "# ── Hub-shared (managed by register-trust / sync-trust-kits — do not edit) ──"
    _, _, below = render_template().partition(line + "\n")
    part = re.split(r"^# ── ", below, flags=re.MULTILINE)[0]
    assert list(EnvText(part).values) == HUB_SHARED


@pytest.mark.parametrize("reader", READERS)
def test_everything_that_a_service_cannot_start_without_is_in_it(reader: str) -> None:
    needed = {variable.name for variable in variables(READERS[reader]) if variable.required}
    assert needed <= NAMES


def test_a_kit_without_results_has_nothing_that_turns_the_result_side_on() -> None:
    assert RESULT_SIDE.isdisjoint(EnvText(render_template(results=False)).values)


def test_no_name_is_given_twice_and_every_value_is_read_alike() -> None:
    text = EnvText(render_template())
    assert text.given_twice() == []
    assert text.unreadable_lines() == []
    assert text.read_differently() == []


def test_defaults_of_the_kit_are_those_of_the_settings() -> None:
    """But for what the kit decides by itself."""
    decided = {"ENV", "HUB__AUTH__FLOW", "OMOP_POSTGRES_DB"}
    declared = {entry.variable.name: entry.variable.default for entry in catalogue()}
    for section in SECTIONS:
        for variable in section.variables:
            default = declared.get(variable.name)
            if default is not None and variable.name not in decided and variable.value:
                assert variable.value.rstrip("/") == default.rstrip("/"), variable.name


def test_whatever_is_to_be_made_has_a_placeholder_and_stands_in_the_reference() -> None:
    made = {each.name: each.value for section in SECTIONS for each in section.variables if each.make}
    assert all(is_placeholder(value) for value in made.values())
    documented = rows(sections(page("kit.md"))["What is made"])
    assert_same(set(documented), set(made), "kit.md")
    for name in made:
        for cell in documented[name]:
            assert_prose(cell)


def test_every_section_stands_in_the_reference() -> None:
    documented = set(rows(sections(page("kit.md"))["Sections"]))
    assert_same(documented, {section.heading for section in SECTIONS}, "kit.md")
