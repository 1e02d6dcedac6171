"""The settings of data-access-api: FLIP's variables, verbatim, and what disclosure control adds to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from psycopg.conninfo import make_conninfo
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.config.listening import ListenSettings, Ports
from flame_node_agent.config.loading import load_root
from flame_node_agent.config.outbox import Days
from flame_node_agent.config.trust import TrustSettings
from flame_node_agent.config.values import (
    Accepts,
    CertificateFile,
    Count,
    Flag,
    IgnoreCaseLower,
    Seconds,
    Secret,
    Text,
)

THRESHOLD_FLOOR = 5
"""The fewest subjects that any setting or policy may allow to be told about (NHS England, disclosure control)."""

IDENTIFIERS = (
    "person_source_value",
    "nhs_number",
    "nhs_no",
    "chi_number",
    "mrn",
    "medical_record_number",
    "hospital_number",
    "patient_number",
    "patient_name",
    "first_name",
    "last_name",
    "given_name",
    "family_name",
    "forename",
    "surname",
    "full_name",
    "birth_datetime",
    "date_of_birth",
    "birth_date",
    "dob",
    "location_source_value",
    "address",
    "address_1",
    "address_2",
    "postcode",
    "zip",
    "latitude",
    "longitude",
    "telephone",
    "phone_number",
    "email",
    "unique_device_id",
    "note_text",
)
"""Columns of OMOP CDM 5.4 and of common extensions that name a person, or hold text which may."""


def _not_below_floor(value: int) -> int:
    if value < THRESHOLD_FLOOR:
        raise ValueError(f"is below {THRESHOLD_FLOOR}, and no setting goes below that")
    return value


def _known_step(value: int) -> int:
    if value not in {0, 5, 10}:
        raise ValueError("is not one of the steps")
    return value


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None
    return path


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip().lower() for name in value.split(","))
    if names == ("none",):
        return ()
    if "" in names:
        raise ValueError("holds an empty name")
    return names


Threshold = Annotated[
    int, AfterValidator(_not_below_floor), Accepts(f"a whole number from {THRESHOLD_FLOOR} up")
]
Rounding = Annotated[int, AfterValidator(_known_step), Accepts("0 (no rounding), 5 or 10")]
RowLevel = Annotated[Literal["snapshot", "live"], IgnoreCaseLower, Accepts("snapshot or live")]
ColumnNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    Accepts("names of columns separated by commas, or none"),
]
SslMode = Annotated[
    Literal["disable", "prefer", "require", "verify-ca", "verify-full"],
    IgnoreCaseLower,
    Accepts("disable, prefer, require, verify-ca or verify-full"),
]
VERIFYING = frozenset({"verify-ca", "verify-full"})
PolicyFile = Annotated[Path, AfterValidator(_readable), Accepts("the path of a readable TOML file")]


class DataAccessListenSettings(ListenSettings):
    """The address and ports that analyses and other services connect to."""

    ports: Ports = Field(default=(8000,), description=str(ListenSettings.model_fields["ports"].description))


class DataAccessSettings(TrustSettings):
    """data-access-api: the OMOP database, and what may be told about it."""

    listen: DataAccessListenSettings
    omop_db_service_name: Text = Field(default="omop-db", description="Host of the OMOP database.")
    data_access_postgres_user: Text = Field(
        description="Role that reads the OMOP database. It needs SELECT on the schema omop and should have nothing "
        "more."
    )
    data_access_postgres_password: Secret = Field(description="Password of that role.")
    omop_postgres_db: Text = Field(description="Name of the OMOP database.")
    omop_sslmode: SslMode = Field(
        default="prefer",
        description="How the connection to the OMOP database is protected, in libpq's words. Only `verify-full` makes "
        "sure that the server is the one of OMOP_DB_SERVICE_NAME.",
    )
    omop_sslrootcert: Annotated[
        CertificateFile | None,
        Accepts(
            "the path of a readable file with one or more PEM certificates; goes with OMOP_SSLMODE verify-ca or "
            "verify-full"
        ),
    ] = Field(default=None, description="PEM file with the authorities that may certify the OMOP database.")
    cohort_query_threshold: Threshold = Field(
        default=10, description="Fewest subjects that a number which leaves the trust may stand for."
    )
    cohort_rounding: Rounding = Field(
        default=0, description="Step to which every number that leaves is rounded, half up."
    )
    cohort_row_level: RowLevel = Field(
        default="snapshot",
        description="Where rows for analyses inside the trust come from: from the cohort that was frozen when the "
        "project was approved, or, as with older hubs, from the caller's own query run `live`.",
    )
    cohort_snapshots: Flag = Field(
        default=True, description="Whether cohorts of approved projects are frozen and kept."
    )
    snapshot_max_bytes: Count = Field(
        default=536870912, description="Largest frozen cohort in bytes; a larger one is refused with 413."
    )
    cohort_identifier_columns: ColumnNames = Field(
        default=IDENTIFIERS,
        description="Columns that identify a person directly; answers with rows that would hold one are refused.",
    )
    cohort_statement_timeout_seconds: Seconds = Field(
        default=280, description="Time after which the OMOP database gives a statement up."
    )
    cohort_parallel_queries: Count = Field(
        default=4, description="Statements that run on the OMOP database at the same time; others wait."
    )
    cache_ttl_days: Days = Field(default=60, description="Age at which a kept answer is computed anew.")
    cache_max_entries: Count = Field(default=64, description="Answers that are kept in memory.")
    cache_max_result_rows: Count = Field(
        default=50000, description="Understood for older kits: only aggregates are kept, which have few rows."
    )
    access_policy_file: PolicyFile | None = Field(
        default=None,
        description="Policy that tightens who may be told what. Without it every project is treated alike.",
    )

    @field_validator("omop_sslrootcert")
    @classmethod
    def _verifying_needs_authorities(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        mode = info.data.get("omop_sslmode")
        if path is None and mode in VERIFYING:
            raise ValueError(f"is missing, and is needed as OMOP_SSLMODE is {mode}")
        return path

    def omop_conninfo(self) -> str:
        """How to reach the OMOP database, as libpq reads it; the role's password is in it."""
        return make_conninfo(
            host=self.omop_db_service_name,
            port=self.omop_db_port,
            user=self.data_access_postgres_user,
            password=self.data_access_postgres_password.get_secret_value(),
            dbname=self.omop_postgres_db,
            sslmode=self.omop_sslmode,
            sslrootcert=str(self.omop_sslrootcert) if self.omop_sslrootcert else None,
        )


def load_data_access(
    env: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE
) -> DataAccessSettings:
    """Load the settings from ``env`` (default: the process environment) and, behind it, ``env_file``.

    Raises:
        SettingsError: with one problem per wrong, missing or contradictory variable.
    """
    return load_root(DataAccessSettings, env, env_file).settings
