"""The PostgreSQL database that holds everything the node must not forget."""

from __future__ import annotations

from pydantic import Field

from flame_node_agent.config.values import Count, Group, Port, Secret, Text


class DatabaseSettings(Group):
    """PostgreSQL: outbox, journal of tasks, egress ledger, frozen cohorts."""

    host: Text = Field(description="Host name of the PostgreSQL server, or the folder of its Unix socket.")
    port: Port = Field(default=5432, description="Port of the PostgreSQL server.")
    user: Text = Field(
        description="User of the database. It must own the tables, as the services create them."
    )
    password: Secret = Field(description="Password of that user.")
    db: Text = Field(description="Name of the database.")
    max_connections: Count = Field(default=20, description="Connections that one service keeps open at most.")
