"""The PostgreSQL database that holds outbox, egress ledger, tags and what was learned of the hub."""

from __future__ import annotations

from pydantic import Field

from flame_node_agent.config.values import Count, Group, Port, Secret, Text


class DatabaseSettings(Group):
    """PostgreSQL: outbox, egress ledger, tags of local results."""

    host: Text = Field(description="Host name of the PostgreSQL server, or the folder of its Unix socket.")
    port: Port = Field(default=5432, description="Port of the PostgreSQL server.")
    user: Text = Field(description="User of the database. It must own the tables, as the agent creates them.")
    password: Secret = Field(description="Password of that user.")
    db: Text = Field(description="Name of the database.")
    max_connections: Count = Field(default=20, description="Connections that one agent keeps open at most.")
