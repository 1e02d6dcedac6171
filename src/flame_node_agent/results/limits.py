"""How much one request may send, besides what the settings allow for the file itself."""

from __future__ import annotations

from flame_node_agent.errors import Refused

MAX_FIELD_BYTES = 64 * 1024
"""Longest text field of a form, in bytes."""

MAX_PARTS = 1000
"""Most parts of a form; those the route does not know are read and dropped."""

MAX_PART_HEADERS = 16
MAX_PART_HEADER_BYTES = 16 * 1024
"""Longest header line of a part: room for the longest file name accepted, with every byte of it escaped."""

MAX_BOUNDARY_BYTES = 256
"""RFC 2046 allows 70; some clients are more generous."""

FORM_OVERHEAD_BYTES = 1024 * 1024
"""What a request may hold beside a file of the largest size: boundaries, part headers, text fields."""

STALL_SECONDS = 120.0
"""Longest wait for the next bytes of a request, or for the client to take those of an answer. Whoever is silent for
longer holds memory, an upload or a connection of a store that others need."""


class SizeLimit:
    """The largest file in bytes that an analysis may upload; 0 for any size."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def check_announced(self, content_length: str | None) -> None:
        """Refuse a request whose Content-Length already tells that it is too large.

        Raises:
            Refused: 413.
        """
        if content_length is not None and content_length.isdecimal():
            self.check_request(int(content_length))

    def check_request(self, received: int) -> None:
        """Refuse a request of which ``received`` bytes of body have arrived.

        Raises:
            Refused: 413.
        """
        if self._max_bytes and received > self._max_bytes + FORM_OVERHEAD_BYTES:
            raise self._too_large()

    def check_file(self, received: int) -> None:
        """Refuse a file of which ``received`` bytes have arrived.

        Raises:
            Refused: 413.
        """
        if self._max_bytes and received > self._max_bytes:
            raise self._too_large()

    def _too_large(self) -> Refused:
        return Refused(413, f"The file is larger than the {self._max_bytes} bytes that this node accepts")
