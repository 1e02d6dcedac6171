"""Chapter: an analysis proves who it is."""

from __future__ import annotations

import secrets

import httpx

from flame_node_agent.devstack.demo.analysis import Unexpected
from flame_node_agent.devstack.demo.narrator import Narrator
from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.seed import SeededAnalysis


def obtain_token(narrator: Narrator, issuer: OidcIssuer, analysis: SeededAnalysis, *, result_url: str) -> str:
    """Get a token as FLAME's pod orchestration does for an analysis, and show that nothing goes without one."""
    narrator.chapter("An analysis proves who it is")
    narrator.explain(
        "Every request carries a signed token; its client id is the analysis id, and says what it may see."
    )
    form = {
        "grant_type": "client_credentials",
        "client_id": str(analysis.id),
        "client_secret": secrets.token_hex(16),
    }
    answer = httpx.post(issuer.token_url, data=form, trust_env=False).raise_for_status().json()
    narrator.did(f"token issued by the OIDC issuer for analysis {analysis.id}, signed with RS256")
    refused = httpx.get(f"{result_url}/local/tags", trust_env=False)
    if refused.status_code != httpx.codes.FORBIDDEN:
        raise Unexpected(f"a request without a token was answered with {refused.status_code}")
    narrator.did(f"the same request without a token: {refused.status_code} {refused.json()['detail']}")
    return str(answer["access_token"])
