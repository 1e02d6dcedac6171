"""The SQL guard: a researcher's query is checked, and only the statement written from what was checked is run.

See docs/explanation/sql-guard.md for the reasons, docs/reference/sql.md for what is accepted.
"""

from flame_node_agent.cohort.guard.moments import pinned
from flame_node_agent.cohort.guard.query import GuardedQuery, guard

__all__ = ["GuardedQuery", "guard", "pinned"]
