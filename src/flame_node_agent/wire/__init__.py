"""Models of everything that crosses a boundary, and nothing else."""
