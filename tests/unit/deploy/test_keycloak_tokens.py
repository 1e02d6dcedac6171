"""``trust/keycloak/issue-jwt.sh``, with stand-ins for Docker and for Keycloak's own command, and a real issuer.

Keycloak itself is not at hand where these tests run; what it is asked for is compared with what the agent wants.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc import jwt

from flame_node_agent.config.oidc import OidcSettings
from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.ports import free_ports
from tests.unit.deploy.compose_files import TRUST, merged
from tests.unit.deploy.operator import Operator

ANALYSIS = "7c9f2d4e-0a1b-4c3d-8e5f-60718293a4b5"
KEYCLOAK = merged("compose.yml")["services"]["keycloak"]
CLAIM = str(OidcSettings.model_fields["client_id_claim_name"].default)
# Runs here what the containers are given: the script with a stand-in for kcadm, the program with another address.
DOCKER = r"""#!/bin/sh
echo "$@" >>"$DOCKER_CALLS"
case "$*" in
*"ps --quiet --status running keycloak") echo "$RUNS" ;;
*"exec -T keycloak bash -s -- "*)
    shift 9
    sed 's|/opt/keycloak/bin/kcadm.sh|command kcadm|' |
        KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=of-the-admin bash -s -- "$@" ;;
*"exec -T trust-api python -c "*)
    shift 8
    program=$(printf '%s' "$1" | sed "s|http://keycloak:8080|$ISSUER|")
    "$PYTHON" -c "$program" "$2" ;;
*) exit 1 ;;
esac
"""
KCADM = r"""#!/bin/sh
echo "$@" >>"$DOCKER_CALLS"
cat >/dev/null
[ "$KC_CLI_PASSWORD" = of-the-admin ] || exit 9
case "$*" in
"config credentials "*) [ -z "$REFUSES" ] || { echo "Invalid user credentials" >&2; exit 1; } ;;
"get clients "*) [ ! -f "$DOCKER_CALLS.made" ] || echo 11-22 ;;
"create clients "*) touch "$DOCKER_CALLS.made"; echo 11-22 ;;
"get clients/11-22/client-secret "*) echo drawn-by-keycloak ;;
*) exit 8 ;;
esac
"""


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[OidcIssuer]:
    issuer = OidcIssuer(tmp_path / "oidc", port=free_ports(1)[0])
    issuer.start()
    yield issuer
    issuer.stop()


def issue(operator: Operator, analysis: str = ANALYSIS, **said: str) -> subprocess.CompletedProcess[str]:
    """What the script ends with, and prints."""
    operator.program("docker", DOCKER)
    operator.program("kcadm", KCADM)
    python = str(TRUST.parent / ".venv/bin/python")
    return subprocess.run(
        [operator.folder / "keycloak/issue-jwt.sh", *([analysis] if analysis else [])],
        env=operator.environment(**{"RUNS": "1a", "PYTHON": python, "ISSUER": "http://127.0.0.1:9", **said}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_token_is_printed_alone_and_names_the_analysis_as_the_agent_wants(
    operator: Operator, issuer: OidcIssuer
) -> None:
    done = issue(operator, ISSUER=issuer.base_url)
    assert done.returncode == 0, done.stderr
    token = jwt.decode(done.stdout.strip(), issuer.key, algorithms=["RS256"])
    assert token.claims[CLAIM] == ANALYSIS
    assert {"iat", "exp"} <= token.claims.keys()


def test_a_second_token_is_of_the_same_client(operator: Operator, issuer: OidcIssuer) -> None:
    for _ in range(2):
        assert issue(operator, ISSUER=issuer.base_url).returncode == 0
    assert len(operator.called("create clients")) == 1


def test_neither_password_nor_secret_is_in_an_argument(operator: Operator, issuer: OidcIssuer) -> None:
    issue(operator, ISSUER=issuer.base_url)
    calls = operator.calls.read_text()
    assert "client-secret" in calls
    assert "of-the-admin" not in calls
    assert "drawn-by-keycloak" not in calls


def test_the_client_is_made_so_that_its_tokens_have_the_agents_claim(
    operator: Operator, issuer: OidcIssuer
) -> None:
    issue(operator, ISSUER=issuer.base_url)
    made = r"^create clients -r flame --id --body (\{.*?\}) --config"
    (body,) = re.findall(made, operator.calls.read_text(), re.DOTALL | re.MULTILINE)
    client = json.loads(body)
    assert client["clientId"] == ANALYSIS
    assert client["serviceAccountsEnabled"] is True
    assert client["publicClient"] is False
    (mapper,) = client["protocolMappers"]
    assert mapper["config"] == {
        "claim.name": CLAIM,
        "claim.value": ANALYSIS,
        "jsonType.label": "String",
        "access.token.claim": "true",
    }


@pytest.mark.parametrize("analysis", ["", "flame", ANALYSIS.upper(), f"{ANALYSIS}'", f"{ANALYSIS}\nx"])
def test_what_is_no_id_of_an_analysis_reaches_nobody(operator: Operator, analysis: str) -> None:
    done = issue(operator, analysis)
    assert done.returncode == 1
    assert "Which analysis?" in done.stderr
    assert operator.calls.read_text() == ""


def test_a_stack_without_keycloak_is_told(operator: Operator) -> None:
    done = issue(operator, RUNS="", STACK="trust-b")
    assert done.returncode == 1
    assert "No Keycloak runs in the stack trust-b." in done.stderr
    assert "OIDC__CERTS_URL" in done.stderr


def test_an_administrator_whom_keycloak_does_not_know_is_told(operator: Operator) -> None:
    done = issue(operator, REFUSES="yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Invalid user credentials" in done.stderr
    assert "KEYCLOAK_ADMIN_PASSWORD" in done.stderr


def test_an_issuer_that_does_not_answer_is_told(operator: Operator) -> None:
    done = issue(operator)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Keycloak does not answer" in done.stderr


def test_realm_paths_and_accounts_are_those_of_the_stack() -> None:
    realm = json.loads((TRUST / "keycloak/flame.json").read_text())
    script = (TRUST / "keycloak/client.sh").read_text()
    program = (TRUST / "keycloak/ask_token.py").read_text()
    assert set(re.findall(r" -r (\S+)", script)) == {realm["realm"]}
    assert f"/realms/{realm['realm']}/protocol/openid-connect/token" in program
    assert {"KC_BOOTSTRAP_ADMIN_USERNAME", "KC_BOOTSTRAP_ADMIN_PASSWORD"} <= KEYCLOAK["environment"].keys()
    mappers = [mapper["config"] for client in realm["clients"] for mapper in client["protocolMappers"]]
    assert [(each["claim.name"], each["access.token.claim"]) for each in mappers] == [(CLAIM, "true")]
