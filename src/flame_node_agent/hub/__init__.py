"""Outbound clients of the Central Hub."""
