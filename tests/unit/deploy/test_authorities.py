"""The trust's own certificate authorities reach trust-api, and no other service needs them."""

from __future__ import annotations

import re

from tests.unit.deploy.compose_files import ROOT, TRUST, merged

SERVICES = merged("compose.yml")["services"]
TARGET = "/etc/flame-node/certificates"


def test_trust_api_sees_the_folder_of_authorities_and_can_only_read_it() -> None:
    (mount,) = SERVICES["trust-api"]["volumes"]
    assert mount == {
        "type": "bind",
        "source": "${CERTIFICATES_DIR:-./certificates}",
        "target": TARGET,
        "read_only": True,
    }


def test_the_folder_is_there_as_docker_would_not_make_it() -> None:
    assert (TRUST / "certificates").is_dir()


def test_only_services_with_a_way_out_get_authorities() -> None:
    for name, service in SERVICES.items():
        targets = [mount["target"] for mount in service.get("volumes", []) if isinstance(mount, dict)]
        assert (TARGET in targets) == ("egress" in service.get("networks", [])), name


def test_pages_name_the_path_that_the_container_sees() -> None:
    named = {
        path
        for page in (TRUST / "certificates/README.md", ROOT / "docs/howto/put-a-trust-behind-a-proxy.md")
        for path in re.findall(r"EXTRA_CA_CERTS=(\S+?)/[\w.-]+\.pem", page.read_text("utf-8"))
    }
    assert named == {TARGET}
