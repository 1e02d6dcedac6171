"""What the boundary list promises, tried from inside each container, and read from what the engine has started."""

from __future__ import annotations

import pytest

from tests.deploy.outside import Outside
from tests.deploy.trust_host import TrustHost

SERVICES = ("trust-api", "data-access-api", "postgres", "minio", "omop-db")
WITHOUT_A_WAY_OUT = SERVICES[1:]
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

_CONNECT = 'timeout 5 bash -c "exec 3<>/dev/tcp/{address}/{port}" 2>&1 && echo reached || echo unreachable'


def _reaches(trust: TrustHost, service: str, address: str, port: int) -> bool:
    said = trust.inside(service, "bash", "-c", _CONNECT.format(address=address, port=port), check=False)
    assert "reached" in said or "unreachable" in said, said
    return "unreachable" not in said


@pytest.mark.parametrize("service", SERVICES)
class TestEveryService:
    def test_publishes_no_port(self, trust: TrustHost, service: str) -> None:
        """CIS Docker 5.8, 5.9: only needed ports, none of the host."""
        container = trust.containers()[service]
        assert not container["HostConfig"]["PortBindings"]
        assert not any(container["NetworkSettings"]["Ports"].values())
        assert container["HostConfig"]["NetworkMode"] != "host"

    def test_has_no_capability(self, trust: TrustHost, service: str) -> None:
        """CIS Docker 5.4, read from the kernel."""
        status = trust.inside(service, "cat", "/proc/self/status")
        sets = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
        assert {name: int(sets[name], 16) for name in CAPABILITY_SETS} == dict.fromkeys(CAPABILITY_SETS, 0)

    def test_cannot_gain_privileges(self, trust: TrustHost, service: str) -> None:
        """CIS Docker 5.26 (no_new_privs), read from the kernel."""
        assert "NoNewPrivs:\t1" in trust.inside(service, "cat", "/proc/self/status")

    def test_is_not_root(self, trust: TrustHost, service: str) -> None:
        """CIS Docker 4.1."""
        assert trust.inside(service, "id", "-u").strip() != "0"

    def test_cannot_write_its_root_file_system(self, trust: TrustHost, service: str) -> None:
        """CIS Docker 5.13; also where its user would be allowed to."""
        mounted = trust.inside(service, "cat", "/proc/mounts").splitlines()
        (root,) = [line.split() for line in mounted if line.split()[1] == "/"]
        assert "ro" in root[3].split(",")
        said = trust.inside(
            service,
            "sh",
            "-c",
            "echo x > /etc/x || echo x > /usr/x || echo x > /x || echo refused",
            check=False,
        )
        assert "refused" in said

    def test_cannot_start_programs_from_where_it_can_write(self, trust: TrustHost, service: str) -> None:
        copy = "cp /bin/true /tmp/program && /tmp/program && echo started"
        assert "started" not in trust.inside(service, "sh", "-c", copy, check=False)

    def test_does_not_see_the_engine(self, trust: TrustHost, service: str) -> None:
        """CIS Docker 5.5, 5.31: no folder of the system's, no Docker socket."""
        sources = [mount["Source"] for mount in trust.containers()[service]["Mounts"]]
        assert not [
            source
            for source in sources
            if source.startswith(("/etc", "/proc", "/sys", "/dev", "/boot", "/usr"))
        ]
        assert (
            trust.inside(
                service, "sh", "-c", "ls /var/run/docker.sock /run/docker.sock 2>/dev/null || echo none"
            ).strip()
            == "none"
        )

    def test_has_limits(self, trust: TrustHost, service: str) -> None:
        """CIS Docker 5.11, 5.29: memory and processes."""
        host = trust.containers()[service]["HostConfig"]
        assert host["Memory"] > 0
        assert 0 < host["PidsLimit"] <= 1024

    def test_comes_back_and_keeps_its_logs_small(self, trust: TrustHost, service: str) -> None:
        host = trust.containers()[service]["HostConfig"]
        assert host["RestartPolicy"]["Name"] in {"always", "unless-stopped"}
        assert {"max-size", "max-file"} <= host["LogConfig"]["Config"].keys()


@pytest.mark.parametrize("service", WITHOUT_A_WAY_OUT)
def test_a_service_inside_has_no_route_out(trust: TrustHost, outside: Outside, service: str) -> None:
    hub = trust.engine.docker(
        "inspect",
        "--format",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        f"{trust.stack}-hub",
    ).strip()
    assert not _reaches(trust, service, hub, 8000)
    assert not _reaches(trust, service, "192.0.2.1", 443)


def test_trust_api_reaches_the_hub(trust: TrustHost, outside: Outside) -> None:
    assert _reaches(trust, "trust-api", "hub", 8000)


def test_trust_api_alone_joins_the_way_out(trust: TrustHost) -> None:
    joined = {
        name
        for name, each in trust.containers().items()
        if f"{trust.stack}_egress" in each["NetworkSettings"]["Networks"]
    }
    assert joined == {"trust-api"}


def test_what_is_outside_cannot_call_what_is_inside(trust: TrustHost, outside: Outside) -> None:
    address = trust.containers()["data-access-api"]["NetworkSettings"]["Networks"][f"{trust.stack}_internal"][
        "IPAddress"
    ]
    try_it = _CONNECT.format(address=address, port=8000)
    assert "unreachable" in trust.engine.docker("exec", f"{trust.stack}-hub", "bash", "-c", try_it)


@pytest.mark.parametrize(
    ("service", "foreign"),
    [
        (
            "trust-api",
            (
                "OMOP_POSTGRES_PASSWORD",
                "DATA_ACCESS_POSTGRES_PASSWORD",
                "XNAT_ADMIN_PASSWORD",
                "GRAFANA_ADMIN_PASSWORD",
            ),
        ),
        (
            "data-access-api",
            (
                "TRUST_API_KEY",
                "CRYPTO__ECDH_PRIVATE_KEY",
                "MINIO__SECRET_KEY",
                "OMOP_POSTGRES_PASSWORD",
                "HUB__AUTH__SECRET",
            ),
        ),
        ("postgres", ("TRUST_API_KEY", "AES_KEY_BASE64", "MINIO__SECRET_KEY")),
        ("minio", ("TRUST_API_KEY", "AES_KEY_BASE64", "POSTGRES__PASSWORD")),
        ("omop-db", ("TRUST_API_KEY", "AES_KEY_BASE64", "POSTGRES__PASSWORD")),
    ],
)
def test_no_service_holds_the_keys_of_others(
    trust: TrustHost, service: str, foreign: tuple[str, ...]
) -> None:
    values = trust.kit().values
    told = "\n".join(trust.containers()[service]["Config"]["Env"])
    assert [name for name in foreign if values[name] in told] == []


def test_the_image_holds_no_setting_and_no_setuid_program_of_ours(trust: TrustHost) -> None:
    """CIS Docker 4.8, 4.10."""
    said = trust.inside("trust-api", "find", "/opt", "-perm", "/6000", "-o", "-name", ".env*")
    assert said.strip() == ""
