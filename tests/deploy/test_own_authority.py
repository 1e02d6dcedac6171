"""The folder of the hospital's own authorities is in trust-api, which can only read it."""

from __future__ import annotations

from tests.deploy.trust_host import TrustHost

SEEN_AS = "/etc/flame-node/certificates"


def test_the_agent_cannot_write_among_the_authorities(trust: TrustHost) -> None:
    said = trust.inside("trust-api", "sh", "-c", f"echo x >{SEEN_AS}/x || echo refused", check=False)
    assert "refused" in said
