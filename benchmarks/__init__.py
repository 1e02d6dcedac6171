"""Measures the agent against what the same machine can do at best; `make bench` runs it."""
