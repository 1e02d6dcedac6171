"""Sealing of files between nodes, and envelopes between the hub and this trust."""
