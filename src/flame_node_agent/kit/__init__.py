"""The kit file of a trust: one file of variables that feeds all its services, and the keys in it."""
