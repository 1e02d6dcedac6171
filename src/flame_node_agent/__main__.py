"""`python -m flame_node_agent` is the flame-node command."""

from flame_node_agent.cli import main

if __name__ == "__main__":
    main()
