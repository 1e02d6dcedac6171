"""What the boundary list promises, tried from inside each container, and read from the kernel and the engine.

Ids are those of the CIS Docker Benchmark 1.6.0; docs/reference/hardening.md lists them.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.machine import name_outside
from tests.deploy.outside import Outside
from tests.deploy.trust_host import JOBS, SERVICES, TrustHost

EVERYTHING = (*SERVICES, *JOBS)
NOT_ROOT = (*SERVICES, "bucket")
"""All but the job that hands a new volume over, with one capability and no network."""
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
CHOWN = 1
"""The bit of CAP_CHOWN, source: capabilities(7), linux/capability.h."""
SYSTEM = ("/etc", "/proc", "/sys", "/dev", "/boot", "/usr", "/lib", "/run", "/var/run")
SECCOMP_FILTER = "2"
METADATA = "169.254.169.254"
"""Where clouds tell a machine its secrets."""

_CONNECT = 'timeout 5 bash -c "exec 3<>/dev/tcp/{address}/{port}" 2>&1 && echo reached || echo unreachable'


def _reaches(trust: TrustHost, service: str, address: str, port: int) -> bool:
    said = trust.inside(service, "bash", "-c", _CONNECT.format(address=address, port=port), check=False)
    assert "reached" in said or "unreachable" in said, said
    return "unreachable" not in said


def _status(trust: TrustHost, service: str) -> dict[str, str]:
    """What the kernel says of a process in the container."""
    lines = trust.inside(service, "cat", "/proc/self/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@pytest.mark.parametrize("service", EVERYTHING)
class TestEveryContainer:
    def test_cis_4_1_is_not_root(self, trust: TrustHost, service: str) -> None:
        root = trust.inside(service, "id", "-u").strip() == "0"
        assert root is (service not in NOT_ROOT)

    def test_cis_5_4_and_5_5_has_no_capability(self, trust: TrustHost, service: str) -> None:
        status = _status(trust, service)
        allowed = CHOWN if service not in NOT_ROOT else 0
        assert not [name for name in CAPABILITY_SETS if int(status[name], 16) & ~allowed]
        assert not trust.described(service)["HostConfig"]["Privileged"]

    def test_cis_5_26_cannot_gain_privileges(self, trust: TrustHost, service: str) -> None:
        assert _status(trust, service)["NoNewPrivs"] == "1"

    def test_cis_5_22_is_under_the_engines_filter_of_system_calls(
        self, trust: TrustHost, service: str
    ) -> None:
        assert _status(trust, service)["Seccomp"] == SECCOMP_FILTER

    def test_cis_5_13_cannot_write_its_root_file_system(self, trust: TrustHost, service: str) -> None:
        """Also where its user would be allowed to."""
        mounted = trust.inside(service, "cat", "/proc/mounts").splitlines()
        (root,) = [line.split() for line in mounted if line.split()[1] == "/"]
        assert "ro" in root[3].split(",")
        # In one stream: the engine does not keep the order of two.
        tries = "exec 2>&1; (echo x > /etc/x) || (echo x > /usr/x) || (echo x > /x) || echo refused"
        assert trust.inside(service, "sh", "-c", tries, check=False).strip().endswith("refused")

    def test_cis_5_8_and_5_9_publishes_no_port(self, trust: TrustHost, service: str) -> None:
        container = trust.described(service)
        assert not container["HostConfig"]["PortBindings"]
        assert not container["HostConfig"]["PublishAllPorts"]
        assert not any(container["NetworkSettings"]["Ports"].values())

    def test_cis_5_10_and_5_16_and_5_17_and_5_21_and_5_31_has_namespaces_of_its_own(
        self, trust: TrustHost, service: str
    ) -> None:
        host = trust.described(service)["HostConfig"]
        modes = [host[name] for name in ("NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode")]
        assert "host" not in modes
        assert not [mode for mode in modes if mode.startswith("container:")]

    def test_cis_5_30_is_not_on_the_default_bridge(self, trust: TrustHost, service: str) -> None:
        networks = set(trust.described(service)["NetworkSettings"]["Networks"])
        assert networks <= {f"{trust.stack}_internal", f"{trust.stack}_egress", "none"}

    def test_cis_5_6_and_5_18_and_5_20_and_5_32_sees_nothing_of_the_machine(
        self, trust: TrustHost, service: str
    ) -> None:
        container = trust.described(service)
        assert not container["HostConfig"]["Devices"]
        assert not [mount for mount in container["Mounts"] if _of_the_system(mount)]
        assert {mount.get("Propagation", "") for mount in container["Mounts"]} <= {"", "rprivate"}
        look = "ls /var/run/docker.sock /run/docker.sock 2>/dev/null || echo none"
        assert trust.inside(service, "sh", "-c", look).strip() == "none"

    def test_cis_5_11_and_5_25_and_5_29_has_limits(self, trust: TrustHost, service: str) -> None:
        host = trust.described(service)["HostConfig"]
        assert host["Memory"] > 0
        assert 0 < host["PidsLimit"] <= 1024
        assert host["CgroupParent"] == ""


@pytest.mark.parametrize("service", SERVICES)
class TestEveryService:
    def test_cis_5_7_has_no_secure_shell(self, trust: TrustHost, service: str) -> None:
        names = trust.inside(service, "sh", "-c", "cat /proc/[0-9]*/comm; command -v sshd || true").split()
        assert names
        assert not [name for name in names if "sshd" in name]

    def test_cis_5_15_comes_back_and_keeps_its_logs_small(self, trust: TrustHost, service: str) -> None:
        host = trust.described(service)["HostConfig"]
        assert host["RestartPolicy"]["Name"] in {"always", "unless-stopped"}
        assert {"max-size", "max-file"} <= host["LogConfig"]["Config"].keys()

    def test_cis_5_27_is_looked_after(self, trust: TrustHost, service: str) -> None:
        assert trust.described(service)["State"]["Health"]["Log"]

    def test_cannot_start_programs_from_where_it_can_write(self, trust: TrustHost, service: str) -> None:
        copy = "cp /bin/true /tmp/program && /tmp/program; echo ended with $?; rm -f /tmp/program"
        assert "ended with 126" in trust.inside(service, "sh", "-c", copy, check=False)


@pytest.mark.parametrize("service", [*SERVICES[1:], "bucket"])
class TestWithoutAWayOut:
    def test_reaches_no_address_outside(self, trust: TrustHost, outside: Outside, service: str) -> None:
        doors = ((outside.address("hub"), 8000), ("192.0.2.1", 443), (METADATA, 80))
        tries = " & ".join(f"({_CONNECT.format(address=address, port=port)})" for address, port in doors)
        said = trust.inside(service, "bash", "-c", f"{tries} & wait", check=False)
        assert said.count("unreachable") == len(doors), said

    def test_is_told_no_name_from_outside(self, trust: TrustHost, outside: Outside, service: str) -> None:
        assert "postgres" in trust.inside(service, "getent", "hosts", "postgres")
        # An answer would come at once; that there is none takes the resolver's whole patience.
        names = ("hub", "issuer", name_outside())
        asked = " & ".join(f"timeout 5 getent hosts {name}" for name in names)
        assert trust.inside(service, "sh", "-c", f"{asked} & wait", check=False).strip() == ""


def test_a_job_without_network_has_nothing_but_itself(trust: TrustHost) -> None:
    interfaces = trust.inside("objects-owner", "cat", "/proc/net/dev").splitlines()[2:]
    assert {line.split(":")[0].strip() for line in interfaces} == {"lo"}


def test_trust_api_reaches_the_hub(trust: TrustHost, outside: Outside) -> None:
    assert _reaches(trust, "trust-api", "hub", 8000)


def test_trust_api_alone_joins_the_way_out(trust: TrustHost) -> None:
    joined = {
        name
        for name in EVERYTHING
        if f"{trust.stack}_egress" in trust.described(name)["NetworkSettings"]["Networks"]
    }
    assert joined == {"trust-api"}


@pytest.mark.parametrize(
    ("service", "port"), [("data-access-api", 8000), ("postgres", 5432), ("minio", 9000)]
)
def test_what_is_outside_cannot_call_what_is_inside(
    trust: TrustHost, outside: Outside, service: str, port: int
) -> None:
    networks = trust.described(service)["NetworkSettings"]["Networks"]
    try_it = _CONNECT.format(address=networks[f"{trust.stack}_internal"]["IPAddress"], port=port)
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
        ("bucket", ("TRUST_API_KEY", "AES_KEY_BASE64", "POSTGRES__PASSWORD")),
        ("objects-owner", ("TRUST_API_KEY", "AES_KEY_BASE64", "POSTGRES__PASSWORD", "MINIO__SECRET_KEY")),
    ],
)
def test_no_service_holds_the_keys_of_others(
    trust: TrustHost, service: str, foreign: tuple[str, ...]
) -> None:
    values = trust.kit().values
    told = "\n".join(trust.described(service)["Config"]["Env"])
    assert [name for name in foreign if values[name] in told] == []


def test_cis_4_8_the_image_holds_no_program_that_changes_its_user(trust: TrustHost) -> None:
    said = trust.inside("trust-api", "find", "/", "-xdev", "-perm", "/6000", "-type", "f", check=False)
    assert [line for line in said.splitlines() if not line.startswith("find: ")] == []


def test_cis_4_10_the_image_holds_no_setting(trust: TrustHost) -> None:
    assert trust.inside("trust-api", "find", "/opt", "-name", ".env*").strip() == ""


def _of_the_system(mount: dict[str, Any]) -> bool:
    return mount["Type"] == "bind" and mount["Source"].startswith(SYSTEM)
