"""Opening the FL server's load balancer to a trust's public address, by whichever of three ways there is.

Source: FLIP, deploy/providers/AWS, variable ``local_trust_public_ip`` and rule ``local_trust_fl_server_nlb``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from provision.said import Stop, done, left
from provision.surroundings import Surroundings

TERRAFORM_TARGET = "aws_security_group_rule.local_trust_fl_server_nlb"
DUPLICATE = "InvalidPermission.Duplicate"


def open_load_balancer(here: Surroundings, address: str, *, trial: bool = False) -> bool:
    """Let the trust's FL client through; returns whether that was done, or had been done before.

    With ``trial``, only say what would be done.

    Raises:
        Stop: the way that was chosen did not work.
    """
    if folder := here.path("HUB_TERRAFORM_DIR"):
        by_terraform(folder, address, here.get("HUB_TERRAFORM_TARGET", TERRAFORM_TARGET), trial=trial)
        return True
    if group := here.get("FL_NLB_SECURITY_GROUP_ID"):
        by_api(boto3.client("ec2"), group, here.fl_port, address, here.trust_name, trial=trial)
        return True
    left(
        "The load balancer was not touched: neither HUB_TERRAFORM_DIR nor FL_NLB_SECURITY_GROUP_ID is given."
    )
    print(what_to_ask(address, here.fl_port, here.trust_name or "a trust"))
    return False


def what_to_ask(address: str, port: int, trust: str) -> str:
    """What the hub's administrator has to do, ready to be sent."""
    return (
        "  Send this to the hub's administrator:\n\n"
        f"    The FL client of {trust} now comes from {address}. Please let {address}/32 reach TCP port\n"
        f"    {port} of the FL server's load balancer, in the hub's repository:\n"
        f"      TF_VAR_local_trust_public_ip={address} make -C deploy/providers/AWS plan apply\n"
        "    or by hand:\n"
        "      aws ec2 authorize-security-group-ingress --group-id <security group of the load balancer> \\\n"
        f"        --protocol tcp --port {port} --cidr {address}/32\n"
        "    An earlier address of this trust can be closed then."
    )


def by_terraform(folder: Path, address: str, target: str, *, trial: bool = False) -> None:
    """Plan the one rule, look at the plan, apply it unless this is a trial.

    Raises:
        Stop: Terraform fails, or the plan would change anything else.
    """
    if not folder.is_dir():
        raise Stop(f"HUB_TERRAFORM_DIR is {folder}, and there is no such folder")
    environ = {**os.environ, "TF_VAR_local_trust_public_ip": address, "TF_IN_AUTOMATION": "1"}

    def terraform(*arguments: str, capture: bool = False) -> str:
        try:
            answer = subprocess.run(
                ["terraform", f"-chdir={folder}", *arguments],
                env=environ,
                check=False,
                text=True,
                stdout=subprocess.PIPE if capture else None,
            )
        except FileNotFoundError:
            raise Stop("HUB_TERRAFORM_DIR is given, but there is no terraform on this machine") from None
        if answer.returncode != 0:
            raise Stop(f"terraform {arguments[0]} failed in {folder}; what it said is above")
        return answer.stdout or ""

    with tempfile.TemporaryDirectory(prefix="flip-plan-") as private:
        plan = f"{private}/plan"
        terraform("plan", "-input=false", f"-target={target}", f"-out={plan}")
        changes = changed_addresses(json.loads(terraform("show", "-json", plan, capture=True)))
        if others := [name for name in changes if name.partition("[")[0] != target]:
            raise Stop(
                f"Nothing was applied: the plan would also change {', '.join(others)}. Apply it in {folder} yourself"
            )
        if not changes:
            done(f"Terraform has nothing to change: {address} is let through already.")
            return
        if trial:
            left(f"Terraform would change {', '.join(changes)}; nothing was applied.")
            return
        terraform("apply", "-input=false", plan)
    done(f"Terraform applied {target}: {address} is let through.")


def changed_addresses(plan: dict[str, Any]) -> list[str]:
    """The resources that a plan would change."""
    return [
        change["address"]
        for change in plan.get("resource_changes", [])
        if change["change"]["actions"] not in (["no-op"], ["read"])
    ]


def by_api(ec2: Any, group: str, port: int, address: str, trust: str, *, trial: bool = False) -> None:
    """Add the rule to the security group, then remove the rules that this trust had for earlier addresses.

    Rules are recognised by the trust's name in their description; those of others are never touched, and without a name
    no rule is.

    Raises:
        Stop: Amazon refuses.
    """
    network, mark = f"{address}/32", description(trust)
    if not trust:
        left("No earlier address of the trust is closed, as nothing says which trust it is: give KIT=<kit>.")
    try:
        ranges = _ranges(ec2, group, port)
        earlier = [
            entry
            for entry in ranges
            if trust and entry.get("Description") == mark and entry["CidrIp"] != network
        ]
        if any(entry["CidrIp"] == network for entry in ranges):
            done(f"{group} lets {network} reach port {port} already.")
        elif trial:
            left(f"{group} would let {network} reach port {port}; nothing was changed.")
        else:
            _authorize(ec2, group, port, network, mark)
        for entry in earlier:
            if trial:
                left(f"{group} would no longer let {entry['CidrIp']} in, the trust's earlier address.")
                continue
            ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[_permission(port, entry)])
            done(f"{group} no longer lets {entry['CidrIp']} in, the trust's earlier address.")
    except (ClientError, BotoCoreError) as error:
        raise Stop(f"The load balancer's security group {group} could not be changed: {error}") from None


def description(trust: str) -> str:
    """How a trust's rule is marked, in the characters and the length that Amazon takes."""
    return re.sub(r"[^A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]", "-", f"FL client of {trust or 'a trust'}")[:255]


def _authorize(ec2: Any, group: str, port: int, network: str, mark: str) -> None:
    rule = _permission(port, {"CidrIp": network, "Description": mark})
    try:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    except ClientError as error:
        if error.response["Error"]["Code"] != DUPLICATE:
            raise
    done(f"{group} now lets {network} reach port {port}.")


def _ranges(ec2: Any, group: str, port: int) -> list[dict[str, str]]:
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return [
        entry
        for permission in found["IpPermissions"]
        if (permission.get("IpProtocol"), permission.get("FromPort"), permission.get("ToPort"))
        == ("tcp", port, port)
        for entry in permission.get("IpRanges", [])
    ]


def _permission(port: int, entry: dict[str, str]) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [entry]}
