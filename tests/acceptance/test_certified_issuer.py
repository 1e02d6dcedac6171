"""Tokens of an issuer of another make. Where Node.js is missing or old, only the embedded issuer is tested."""

from __future__ import annotations

import secrets

from tests.acceptance.bearers import Bearers
from tests.acceptance.certified_issuer import AT_HAND, certified_issuer
from tests.acceptance.conftest import Analysis, NewAgent
from tests.acceptance.hub_accounts import Login

if AT_HAND:

    def test_tokens_of_a_certified_issuer_are_accepted(
        new_agent: NewAgent, login: Login, analysis: Analysis, bearers: Bearers
    ) -> None:
        """Its keys are found, its claims understood, issuer and audience compared; another issuer's tokens are not."""
        with certified_issuer(str(analysis.id), secrets.token_hex(16)) as issuer:
            agent = new_agent(
                login,
                OIDC__CERTS_URL=issuer.certs_url,
                OIDC__ISSUER=issuer.url,
                OIDC__AUDIENCE="flame-node",
            ).start()
            auth = bearers.noted(issuer.token())
            answer = agent.http.put("/local", auth=auth, files={"file": b"content"})
            assert answer.status_code == 200, answer.text
            assert agent.http.get(answer.json()["url"], auth=auth).content == b"content"
            assert agent.http.get("/local/tags", auth=analysis.auth).status_code == 403
