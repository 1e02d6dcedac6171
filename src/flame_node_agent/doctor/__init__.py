"""A look at everything a node needs: what is wrong, and what to do about it."""
