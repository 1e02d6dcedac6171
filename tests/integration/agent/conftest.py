"""The same stores as the tests of the stores have."""

from __future__ import annotations

from tests.integration.stores.conftest import store_settings, stores

__all__ = ["store_settings", "stores"]
