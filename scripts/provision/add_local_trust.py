"""``make add-local-trust``, ``make plan-local-trust`` and ``make allow-local-trust``."""

from __future__ import annotations

import os

from provision.images import images
from provision.load_balancer import open_load_balancer
from provision.playbook import is_trial, login, run_playbook
from provision.said import done, left, step
from provision.ssh import check_login
from provision.surroundings import (
    Surroundings,
    check_environment,
    need_become_password,
    required_address,
    ssh_key,
    sudo_without_password,
)

ADD_USAGE = (
    "make add-local-trust LOCAL_TRUST_IP=<public IP of the trust> [LOCAL_TRUST_SSH_KEY=<key>] "
    "[LOCAL_TRUST_USER=ubuntu]; "
    "without a key, this machine becomes the trust"
)
ALLOW_USAGE = "make allow-local-trust LOCAL_TRUST_IP=<new public IP of the trust>"
PLAN_USAGE = "make plan-local-trust LOCAL_TRUST_IP=<new public IP of the trust>"


def check(here: Surroundings) -> None:
    """Say what is missing before anything runs.

    Raises:
        Stop: something is.
    """
    key = ssh_key(here)
    _ = here.fl_port
    images(here)
    if key is None and not here.get("LOCAL_TRUST_INVENTORY"):
        need_become_password(here.environ, uid=os.geteuid(), sudo=sudo_without_password)


def check_host(here: Surroundings, address: str) -> None:
    """Log in to the host once, where that is over SSH with a key that was given.

    Raises:
        Stop: that does not work, or its user cannot become root.
    """
    key = ssh_key(here)
    if key is not None and not here.get("LOCAL_TRUST_INVENTORY"):
        check_login(login(here, address, key), here.environ)


def add(here: Surroundings) -> None:
    """Provision the host, with its FL kit, and open the load balancer.

    Raises:
        Stop: something is missing, or a step failed.
    """
    address = required_address(here, ADD_USAGE)
    check(here)
    check_environment(here)
    check_host(here, address)
    provision(here, address)
    if not is_trial(here):
        print(what_next(here))


def provision(here: Surroundings, address: str) -> None:
    """The steps of ``add``, each of which may be repeated.

    Raises:
        Stop: a step failed.
    """
    key = ssh_key(here)
    inventory = here.get("LOCAL_TRUST_INVENTORY")
    over_ssh = f"{here.get('LOCAL_TRUST_HOST', address)} over SSH"
    where = inventory or (over_ssh if key else "this machine")
    step(f"Provision the host ({where})")
    run_playbook(here, address, key)
    if is_trial(here):
        left("This was a trial: nothing was changed, and the load balancer was left alone.")
        return
    done(f"The host is provisioned, below {here.get('FLIP_DIR', '/opt/flip')}.")
    if not here.kit:
        left(
            f"No kit was deployed, as there is no {here.kit_file}. `flame-node keys new-trust --kit <file>` makes it."
        )
    if not (here.get("AICENTRE_BUCKET_NAME") and here.fl_kit_date):
        left(
            "No FL kit was fetched: AICENTRE_BUCKET_NAME and FLARE_KIT_DATE (or FLOWER_KIT_DATE) are not both given."
        )
    if not images(here).has_node:
        left(
            "No image of the node was brought. Give NODE_IMAGE_ARCHIVE=<file of docker save>, or NODE_IMAGE=<its name "
            "in a registry>, or load it on the host yourself."
        )
    step(f"Open the FL server's load balancer to {address}")
    open_load_balancer(here, address)


def allow(here: Surroundings) -> None:
    """Only open the load balancer, for a trust whose address has changed.

    Raises:
        Stop: something is missing, or it failed.
    """
    address = required_address(here, ALLOW_USAGE)
    step(f"Open the FL server's load balancer to {address}")
    open_load_balancer(here, address)


def plan(here: Surroundings) -> None:
    """Say what ``allow`` would do.

    Raises:
        Stop: something is missing, or it failed.
    """
    address = required_address(here, PLAN_USAGE)
    step(f"What would open the FL server's load balancer to {address}")
    open_load_balancer(here, address, trial=True)


def what_next(here: Surroundings) -> str:
    """What is left for the operator."""
    prod = f"PROD={here.prod} " if here.prod else ""
    folder = f"{here.get('FLIP_DIR', '/opt/flip').rstrip('/')}-trust"
    return (
        "\nNext, on the trust's host:\n"
        f"  1. Start the stack:  cd {folder} && sudo env {prod}KIT={here.kit_name} make up-local-trust\n"
        "  2. See it poll:      sudo docker logs -f trust-api"
    )
