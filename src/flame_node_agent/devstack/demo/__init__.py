"""The demonstration: results on their way to a hub on this machine, through crashes and outages."""
