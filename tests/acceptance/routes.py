"""Every route that wants a token."""

from __future__ import annotations

import uuid

UPSTREAM = (
    ("GET", f"/intermediate/{uuid.uuid4()}"),
    ("PUT", "/intermediate"),
    ("GET", f"/local/{uuid.uuid4()}"),
    ("PUT", "/local"),
    ("PUT", "/final"),
    ("GET", "/local/tags"),
    ("GET", "/local/tags/foobar"),
)
"""Those that the tests of the FLAME Node Result Service go through."""

ALL = (
    *UPSTREAM,
    ("PUT", "/final/localdp"),
    ("DELETE", f"/local?project_id={uuid.uuid4()}"),
    ("POST", f"/local/tags?tag_name=model&object_id={uuid.uuid4()}"),
    ("PUT", f"/local/upload?object_id={uuid.uuid4()}"),
    ("GET", f"/uploads/{uuid.uuid4()}"),
)
