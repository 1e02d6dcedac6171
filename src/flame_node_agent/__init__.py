"""The flame-node-agent: a hospital's own node for federated research."""

from importlib.metadata import version

__version__ = version("flame-node-agent")
