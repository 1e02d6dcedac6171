"""Running the playbook with an inventory for the one host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from provision.images import images
from provision.said import Stop
from provision.ssh import Login
from provision.surroundings import ROOT, Surroundings

ANSIBLE = ROOT / "ansible"


def inventory(here: Surroundings, address: str, key: Path | None) -> dict[str, object]:
    """The trust's host: over SSH when there is a key, else this machine."""
    host: dict[str, object] = {"ansible_connection": "local"}
    if key is not None:
        ssh = login(here, address, key)
        host = {
            "ansible_host": ssh.host,
            "ansible_user": ssh.user,
            "ansible_ssh_private_key_file": str(ssh.key),
            "ansible_ssh_common_args": " ".join(ssh.host_key_options),
        }
    # The distribution's own Python, which knows apt. Others do not, and a version manager's may not even start.
    host["ansible_python_interpreter"] = "/usr/bin/python3"
    return {"local_trust": {"hosts": {"trust": host}}}


def login(here: Surroundings, address: str, key: Path) -> Login:
    """How SSH reaches the host."""
    return Login(user(here), here.get("LOCAL_TRUST_HOST", address), key)


def user(here: Surroundings) -> str:
    """Who the directories belong to, and who SSH logs in as."""
    return here.get("LOCAL_TRUST_USER", "ubuntu")


def is_trial(here: Surroundings) -> bool:
    """Whether the playbook only says what it would change."""
    return bool({"--check", "-C"} & set(here.get("ANSIBLE_ARGS").split()))


def variables(here: Surroundings) -> dict[str, object]:
    """What the roles are told; no secret is among it, the kit goes as a file."""
    bucket = here.get("AICENTRE_BUCKET_NAME")
    told: dict[str, object] = {
        "flip_dir": here.get("FLIP_DIR", "/opt/flip"),
        "flip_user": user(here),
        "flip_fl_slot": here.slot,
        "flip_fl_backend": here.backend,
        "flip_fl_kit_mode": "s3" if bucket and here.fl_kit_date else "precreate",
        "flip_fl_kit_bucket": bucket,
        "flip_fl_kit_date": here.fl_kit_date,
        "flip_fl_kit_slot_number": here.get("FL_KIT_SLOT_NUMBER"),
        "flip_trust_stack_kit": here.kit_name,
        "flip_trust_stack_prod": here.prod,
        "flip_trust_stack_kit_file": str(here.kit_file.resolve()) if here.kit else "",
        **images(here).variables,
    }
    return told


def run_playbook(here: Surroundings, address: str, key: Path | None) -> None:
    """Provision the host.

    Raises:
        Stop: the playbook failed; what it said has been shown.
    """
    with tempfile.TemporaryDirectory(prefix="flip-ansible-") as private:
        given = here.path("LOCAL_TRUST_INVENTORY")
        hosts = given.resolve() if given else Path(private) / "hosts.json"
        if not given:
            hosts.write_text(json.dumps(inventory(here, address, key)), encoding="utf-8")
        told = Path(private) / "variables.json"
        told.write_text(json.dumps(variables(here)), encoding="utf-8")
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"--inventory={hosts}",
            f"--extra-vars=@{told}",
            *here.get("ANSIBLE_ARGS").split(),
            str(ANSIBLE / "site_local_trust.yml"),
        ]
        environ = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg")}
        if subprocess.run(command, cwd=ANSIBLE, env=environ, check=False).returncode != 0:
            raise Stop(
                "The playbook failed; its last task is above. It can be run again. For `Permission denied`, look "
                "at LOCAL_TRUST_SSH_KEY, LOCAL_TRUST_USER, its right to use sudo, and ANSIBLE_BECOME_PASS"
            )
