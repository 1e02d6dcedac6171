"""What the hub may ask of this node: one handler for each type of task."""
