"""The local result endpoint that analyses talk to."""
