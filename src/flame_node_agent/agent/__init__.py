"""The long-running loops, one a file."""
