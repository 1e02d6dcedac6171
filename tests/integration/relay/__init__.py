"""omop-relay as a process, between real clients and servers."""
