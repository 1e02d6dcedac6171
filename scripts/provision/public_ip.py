"""Finding the public address that this machine's traffic comes from."""

from __future__ import annotations

import urllib.error
import urllib.request

from provision.said import Stop
from provision.surroundings import Surroundings, public_address

SERVICE = "https://api.ipify.org"
"""As FLIP's Makefile asks it; PUBLIC_IP_URL may name another."""


def find_public_address(here: Surroundings) -> str:
    """Ask a service on the Internet.

    Raises:
        Stop: it does not answer with a public IPv4 address.
    """
    url = here.get("PUBLIC_IP_URL", SERVICE)
    if not url.startswith(("https://", "http://")):
        raise Stop(
            f"PUBLIC_IP_URL is '{url}'; it is the URL of a service that answers with the caller's address"
        )
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 -- checked just above
            text = answer.read(64).decode("ascii", "replace").strip()
    except (urllib.error.URLError, OSError) as error:
        raise Stop(
            f"The public address could not be found ({url}: {error}); give it as LOCAL_TRUST_IP"
        ) from None
    return public_address(text)
