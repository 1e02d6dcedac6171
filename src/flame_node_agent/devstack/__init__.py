"""Embedded parts for the demonstration and the tests. Never imported by the agent itself."""
