"""How to reach a synthetic OMOP database, as its owner and as the role that answers cohort queries."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flame_node_agent.devstack.postgres import PostgresAccess

READER = "data_analyst_reader"
"""The role's name in FLIP's own OMOP databases."""


@dataclass(frozen=True)
class OmopAccess:
    """One loaded database."""

    owner: PostgresAccess
    reader_password: str
    persons: int

    @property
    def reader(self) -> PostgresAccess:
        """The database as ``data_analyst_reader`` sees it."""
        return replace(self.owner, user=READER, password=self.reader_password)

    @property
    def dsn(self) -> str:
        """The owner's connection, who may do everything."""
        return self.owner.dsn

    @property
    def reader_dsn(self) -> str:
        """The reader's connection, who may read the tables of ``omop``."""
        return self.reader.dsn

    def variables(self) -> dict[str, str]:
        """The settings of data-access for it (FLIP data-access-api's names)."""
        return {
            "OMOP_DB_SERVICE_NAME": self.owner.host,
            "OMOP_DB_PORT": str(self.owner.port),
            "OMOP_POSTGRES_DB": self.owner.database,
            "DATA_ACCESS_POSTGRES_USER": READER,
            "DATA_ACCESS_POSTGRES_PASSWORD": self.reader_password,
        }
