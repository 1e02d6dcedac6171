"""What a kit holds: FLIP's sections and names, in its order, and then this product's own.

Source: FLIP, ``trust/.env.<CODE>``. A value in angle brackets is a placeholder: somebody has to put the real one there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flame_node_agent.kit import making

HUB_SHARED = "# ── Hub-shared (managed by register-trust / sync-trust-kits — do not edit) ──"
"""The line by which FLIP's own scripts find the part that is theirs."""

MAKE = "<run-make-new-trust-keys>"
FROM_HUB = "<from-the-hub>"
FILL_IN = "<fill-in>"

type Make = Callable[[], str]


@dataclass(frozen=True)
class KitVariable:
    """One variable of the kit."""

    name: str
    value: str = ""
    """What it is before anybody has decided: a default, a placeholder, or nothing for what may stay empty."""
    note: str = ""
    make: Make | None = None
    """How ``flame-node keys new-trust`` makes it."""


@dataclass(frozen=True)
class Section:
    """Variables under one heading."""

    heading: str
    variables: tuple[KitVariable, ...]
    note: str = ""
    results_only: bool = False
    """Whether only nodes have it that take results of analyses to a FLAME hub."""


def is_placeholder(value: str) -> bool:
    """Whether a value still waits for somebody."""
    return value.startswith("<")


def _made(name: str, make: Make, note: str = "") -> KitVariable:
    return KitVariable(name, MAKE, note, make)


def _password(name: str, note: str = "") -> KitVariable:
    return _made(name, making.password, note)


HOST_LOCAL = Section(
    "# ── Host-local profile ──",
    (
        KitVariable(
            "OMOP_DB_PORT",
            "5432",
            "Port of the OMOP database inside the Docker network, where no port is published.",
        ),
        KitVariable("PACS_UI_PORT", "8042"),
        KitVariable("XNAT_PORT", "8104"),
        KitVariable("TRUST_DEBUG_PORT", "5682"),
        KitVariable("IMAGING_DEBUG_PORT", "5681"),
        KitVariable("DATA_ACCESS_DEBUG_PORT", "5680"),
        KitVariable("GRAFANA_PORT", "3000"),
        KitVariable("LOKI_PORT", "3100"),
        KitVariable("ORTHANC_STORAGE_DIR"),
        KitVariable("BASE_IMAGES_DOWNLOAD_DIR", "/opt/flip/data/images"),
        KitVariable("XNAT_DATA_DIR", "/opt/flip/xnat-data"),
        KitVariable("FL_KIT_DIR", "/opt/flip/fl-kit"),
        KitVariable("AICENTRE_BUCKET_NAME"),
        KitVariable("OMOP_DATA_DIR", "/opt/flip/omop/db_data"),
    ),
)

TRUST_LOCAL = Section(
    "# ── Trust-local credentials ──",
    (
        KitVariable("ENV", "production", "`production` or `development`."),
        KitVariable("ORTHANC_USERNAME", "orthanc-trust"),
        _password("ORTHANC_PASSWORD"),
        KitVariable(
            "OMOP_DB_HOST", "omop-db", "Host of the OMOP database, for the agent and for data-access-api."
        ),
        KitVariable("OMOP_DB_SERVICE_NAME", "omop-db"),
        KitVariable("OMOP_POSTGRES_USER", "omop-owner"),
        _password("OMOP_POSTGRES_PASSWORD"),
        KitVariable("OMOP_POSTGRES_DB", "omop"),
        KitVariable("OMOP_DB_TAG"),
        KitVariable(
            "DATA_ACCESS_POSTGRES_USER",
            "data_analyst_reader",
            "The role that may read the schema omop, and nothing else.",
        ),
        _password("DATA_ACCESS_POSTGRES_PASSWORD"),
        KitVariable(
            "COHORT_QUERY_THRESHOLD", "10", "Fewest people that a number which leaves may stand for."
        ),
        KitVariable("XNAT_ADMIN_USER", "admin"),
        KitVariable("XNAT_ADMIN_INITIAL_PASSWORD"),
        _password("XNAT_ADMIN_PASSWORD"),
        KitVariable("XNAT_SERVICE_USER", "flipServiceAccount"),
        _password("XNAT_SERVICE_PASSWORD"),
        _password("XNAT_DATASOURCE_PASSWORD"),
        _password("XNAT_DATASOURCE_ADMIN_PASSWORD"),
        _password("XNAT_ACTIVEMQ_PASSWORD"),
        KitVariable("DATA_ACCESS_API_URL", "http://data-access-api:8000"),
        KitVariable("IMAGING_API_URL", "http://imaging-api:8000"),
        KitVariable("TRUST_INTERNAL_SERVICE_KEY_HEADER", "X-Trust-Internal-Service-Key"),
        _password("GRAFANA_ADMIN_PASSWORD"),
        _password("KEYCLOAK_ADMIN_PASSWORD", "For the optional Keycloak (Compose profile `keycloak`)."),
        KitVariable("PACS_DICOM_PORT", "4242"),
        KitVariable("POLL_INTERVAL_SECONDS", "5"),
        KitVariable("DATA_ACCESS_API_PORT", "8014"),
        KitVariable("IMAGING_API_PORT", "8005"),
        KitVariable("TRUST_API_PORT", "8024"),
        KitVariable("TRUST_LOG_LEVEL", "INFO"),
        KitVariable("NUM_AVAILABLE_GPUS", "0"),
        KitVariable("MEMORY_PER_GPU_IN_GIB"),
        KitVariable("MIN_CLIENTS"),
    ),
    "Passwords of services that are not part of this node yet (Orthanc, XNAT, Grafana) wait here for them.",
)

SHARED_WITH_HUB = Section(
    HUB_SHARED,
    (
        KitVariable(
            "AES_KEY_BASE64",
            MAKE,
            "Trust and hub must hold the same. Where the hub has one already, put it here before keys are made.",
            making.aes_key,
        ),
        KitVariable("CENTRAL_HUB_API_URL", FROM_HUB, "As in https://app.flip.aicentre.co.uk"),
        KitVariable("TRUST_API_KEY_HEADER", "Authorization"),
        KitVariable("FL_BACKEND"),
        KitVariable("FLOWER_KIT_DATE"),
        KitVariable("FLARE_KIT_DATE"),
        KitVariable("DOCKER_TAG"),
        KitVariable("DOCKER_REGISTRY"),
        KitVariable("DOCKER_FL_TAG"),
        KitVariable("DOCKER_FL_REGISTRY"),
        KitVariable("NLB_SUBDOMAIN", "", "Host name of the FL server's load balancer."),
        KitVariable("FL_SERVER_PORT", "8002"),
    ),
)

CREDENTIALS = Section(
    "# ── Kit credentials ──",
    (
        _made("TRUST_API_KEY", making.api_key, "Or the one that the registration at the hub has shown."),
        _made("TRUST_INTERNAL_SERVICE_KEY", making.api_key, "It never leaves the trust."),
        KitVariable("FL_KIT_SLOT"),
        KitVariable("FL_KIT_SLOT_NUMBER"),
        KitVariable(
            "EXPECTED_TRUST_ID", "", "Id of the trust at the hub; with it a key of another trust is noticed."
        ),
        KitVariable("TRUST_NAME", FILL_IN, "Name of the trust at the hub."),
        KitVariable("TRUST_CODE"),
        KitVariable("TRUST_REGION"),
    ),
)

DATABASE = Section(
    "# ── Database of the node ──",
    (
        KitVariable("POSTGRES__HOST", "postgres"),
        KitVariable("POSTGRES__PORT", "5432"),
        KitVariable("POSTGRES__USER", "node"),
        _password("POSTGRES__PASSWORD"),
        KitVariable("POSTGRES__DB", "node"),
    ),
)

OMOP_ELSEWHERE = Section(
    "# ── OMOP database elsewhere in the house ──",
    (
        KitVariable(
            "OMOP_SERVER",
            "",
            "Its host and port, as in omop.hospital.example:5432. Starts omop-relay, which leads there only.",
        ),
        KitVariable(
            "OMOP_SSLMODE",
            "prefer",
            "`verify-full` where that server has a certificate; needs OMOP_SSLROOTCERT.",
        ),
        KitVariable("OMOP_SSLROOTCERT", "", "As in /etc/flame-node/hospital-ca.pem, which is trust/policy."),
    ),
    "Empty OMOP_SERVER: the stack's own omop-db. Else OMOP_DB_HOST and OMOP_DB_SERVICE_NAME are its name.",
)

RESULTS = Section(
    "# ── Results for a FLAME hub ──",
    (
        KitVariable("HUB__CORE_BASE_URL", "https://core.privateaim.net"),
        KitVariable("HUB__STORAGE_BASE_URL", "https://storage.privateaim.net"),
        KitVariable("HUB__AUTH_BASE_URL", "https://auth.privateaim.net"),
        KitVariable("HUB__AUTH__FLOW", "client", "`robot` at hubs up to 0.8.21, `client` at newer ones."),
        KitVariable("HUB__AUTH__ID", FROM_HUB),
        KitVariable("HUB__AUTH__SECRET", FROM_HUB),
        KitVariable("MINIO__ENDPOINT", "minio:9000"),
        KitVariable("MINIO__ACCESS_KEY", "node"),
        _password("MINIO__SECRET_KEY"),
        KitVariable("MINIO__BUCKET", "flame"),
        KitVariable("OIDC__CERTS_URL", FILL_IN, "Where the issuer of the analyses' tokens shows its keys."),
        KitVariable("CRYPTO__PROVIDER", "raw"),
        _made("CRYPTO__ECDH_PRIVATE_KEY", making.ecdh_private_key),
    ),
    "Any one of them turns the agent's result side on, so a node for tasks alone has none of them.",
    results_only=True,
)

SECTIONS = (HOST_LOCAL, TRUST_LOCAL, SHARED_WITH_HUB, CREDENTIALS, DATABASE, OMOP_ELSEWHERE, RESULTS)

NAMES = frozenset(variable.name for section in SECTIONS for variable in section.variables)
