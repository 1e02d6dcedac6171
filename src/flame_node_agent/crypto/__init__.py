"""Sealing of files between nodes."""
