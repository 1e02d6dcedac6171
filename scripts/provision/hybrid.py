"""``make full-deploy-hybrid``: the hub, a trust on premises, and what each must know of the other."""

from __future__ import annotations

import subprocess

import boto3

from provision.add_local_trust import check, check_host, provision, what_next
from provision.hub_checkout import hub_folder, hub_value, make_hub
from provision.hub_secret import aes_key_of
from provision.playbook import is_trial
from provision.progress import Progress
from provision.public_ip import find_public_address
from provision.said import Stop, done, left
from provision.secrets_manager import merge_trust, read_secret
from provision.surroundings import ROOT, Surroundings, look_around, public_address
from provision.trust_kit import put_value, suffix, takes_results

SECRET = "FLIP_API"  # noqa: S105 -- the name of a secret, as FLIP has it
NEEDED = ("TRUST_NAME", "TRUST_API_KEY", "AES_KEY_BASE64")


def deploy(here: Surroundings) -> None:
    """Run all steps, going on where an earlier run has stopped.

    Raises:
        Stop: something is missing, or a step failed.
    """
    hub = hub_folder(here)
    if is_trial(here):
        raise Stop(
            "ANSIBLE_ARGS has --check, but the hub cannot be deployed as a trial: make add-local-trust can"
        )
    check(here)
    given = here.environ.get("LOCAL_TRUST_IP", "").strip()
    address = public_address(given) if given else find_public_address(here)
    if not given:
        done(f"LOCAL_TRUST_IP is not given; this machine's public address is {address}.")
    check_host(here, address)
    progress = Progress(
        ROOT / ".deploy" / f"hybrid-{here.kit_name}-{suffix(here.prod)}.json",
        {"address": address, "hub": str(hub), "prod": here.prod, "kit": str(here.kit_file)},
    )
    progress.take(
        "hub",
        "Deploy the hub",
        lambda: make_hub(hub, here.get("HUB_DEPLOY_TARGET", "full-deploy"), here.prod),
    )
    progress.take("keys", "Make the trust's keys", lambda: make_keys(here))
    here = look_around(here.environ)
    progress.take("trust", "Provision the trust", lambda: provision(here, address))
    progress.take("secrets", "Tell the hub of the trust's keys", lambda: tell_hub(here))
    progress.take(
        "redeploy",
        "Deploy the hub again, so that it reads the keys",
        lambda: make_hub(hub, here.get("HUB_REDEPLOY_TARGET", "deploy-centralhub"), here.prod),
    )
    progress.finish()
    print(what_next(here))


def make_keys(here: Surroundings) -> None:
    """Have a kit, with the AES key that the hub has already.

    Raises:
        Stop: the command that makes keys failed.
    """
    # First, so that a run that ends in between leaves no kit with another key than the hub's.
    if not here.kit.get("AES_KEY_BASE64") and (
        known := aes_key_of(read_secret(_secrets_manager(), _secret(here)))
    ):
        put_value(here.kit_file, "AES_KEY_BASE64", known)
        done(f"AES_KEY_BASE64 in {here.kit_file} is the one that the hub has already.")
    name = here.get("TRUST_NAME", here.kit_name)
    command = [
        str(ROOT / ".venv/bin/flame-node"),
        "keys",
        "new-trust",
        f"--kit={here.kit_file}",
        f"--trust-name={name}",
    ]
    if url := here.get("CENTRAL_HUB_API_URL") or hub_value(here, "CENTRAL_HUB_API_URL"):
        command.append(f"--hub-url={url}")
    if not takes_results(here.kit_file):
        command.append("--without-results")
    try:
        failed = subprocess.run(command, check=False).returncode != 0
    except FileNotFoundError:
        raise Stop("flame-node is not installed here: make install") from None
    if failed:
        raise Stop(f"The keys could not be made in {here.kit_file}")
    done(f"{here.kit_file} has all keys.")


def tell_hub(here: Surroundings) -> None:
    """Merge the trust into the hub's secret.

    Raises:
        Stop: the kit lacks something, or the secret cannot be merged.
    """
    if missing := [name for name in NEEDED if not here.kit.get(name)]:
        raise Stop(f"{here.kit_file} has no {', '.join(missing)}")
    changes = merge_trust(
        _secrets_manager(),
        _secret(here),
        trust=here.kit["TRUST_NAME"],
        api_key=here.kit["TRUST_API_KEY"],
        aes_key=here.kit["AES_KEY_BASE64"],
    )
    for change in changes:
        done(f"{_secret(here)}: {change}.")
    if not changes:
        left(f"{_secret(here)} has all of it already.")


def _secret(here: Surroundings) -> str:
    return here.get("FLIP_API_SECRET_NAME", SECRET)


def _secrets_manager() -> object:
    return boto3.client("secretsmanager")
