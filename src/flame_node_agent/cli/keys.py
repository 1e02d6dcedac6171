"""``flame-node keys``: the keys and passwords of a trust, in its kit file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.errors import KitError
from flame_node_agent.kit.checks import Weight, check_kit
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import changing, keep_previous, read_kit, write_kit
from flame_node_agent.kit.new_trust import complete
from flame_node_agent.kit.public import PublicFacts, public_facts
from flame_node_agent.kit.rotation import Secret
from flame_node_agent.kit.rotation import rotate as put_new
from flame_node_agent.kit.template import render_template

app = typer.Typer(help="Make, show, change and check the keys of a trust.", no_args_is_help=True)

WRONG = 1

Kit = Annotated[
    Path, typer.Option("--kit", help="The trust's kit file, such as trust/.env.Trust_2.", metavar="FILE")
]


@app.command("new-trust")
def new_trust(
    kit: Kit = ENV_FILE,
    trust_name: Annotated[str, typer.Option(help="Name of the trust at the hub.")] = "",
    trust_code: Annotated[str, typer.Option(help="Code of the trust at the hub.")] = "",
    trust_region: Annotated[str, typer.Option(help="Region of the trust at the hub.")] = "",
    trust_id: Annotated[str, typer.Option(help="Id that the trust must have at the hub.")] = "",
    hub_url: Annotated[str, typer.Option(help="Base URL of the hub's API.")] = "",
    without_results: Annotated[
        bool, typer.Option("--without-results", help="For a node that takes no results to a FLAME hub.")
    ] = False,
) -> None:
    """Make every key and password that a trust needs and does not have yet.

    They go into the kit file, which is made when there is none. What is in it already is never changed, and nothing
    secret is shown.
    """
    wishes = {
        "TRUST_NAME": trust_name,
        "TRUST_CODE": trust_code,
        "TRUST_REGION": trust_region,
        "EXPECTED_TRUST_ID": trust_id,
        "CENTRAL_HUB_API_URL": hub_url,
    }
    with _told(), changing(kit) as found:
        text = found if found is not None else EnvText(render_template(results=not without_results))
        completed = complete(
            text, {name: value for name, value in wishes.items() if value}, results=not without_results
        )
        facts = public_facts(text)
        write_kit(kit, text)
    _list(f"Made, and written to {kit}:", completed.made)
    _list("Kept, as they were there already:", completed.kept)
    _list("Still to be filled in by you:", completed.open)
    _show(facts)


@app.command("show-public")
def show_public(
    kit: Kit = ENV_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Show what the hubs' administrators need: hashes, public keys and fingerprints. Nothing of it is secret."""
    with _told():
        facts = public_facts(read_kit(kit))
    if as_json:
        typer.echo(json.dumps({**asdict(facts), "trust_api_key_hashes": facts.trust_api_key_hashes}))
    else:
        _show(facts)


@app.command()
def rotate(
    secret: Annotated[Secret, typer.Argument(help="Which one.", show_default=False)],
    kit: Kit = ENV_FILE,
) -> None:
    """Replace one key or password by a new one, and say what has to follow.

    The kit as it was is kept beside it.
    """
    with _told(), changing(kit) as text:
        if text is None:
            raise KitError(f"there is no {kit}")
        rotation = put_new(text, secret)
        copy = keep_previous(kit)
        write_kit(kit, text)
        facts = public_facts(text)
    typer.echo(
        f"{rotation.variable} is new in {kit}. As it was, the kit is in {copy}: remove that when all works."
    )
    typer.echo("\nWhat has to follow:")
    for number, step in enumerate(rotation.follows, start=1):
        typer.echo(f"{number}. {step}")
    if secret in {Secret.API_KEY, Secret.AES_KEY, Secret.ECDH_KEY}:
        _show(facts)


@app.command()
def check(
    kit: Kit = ENV_FILE,
    production: Annotated[
        bool | None,
        typer.Option(
            "--production/--development",
            help="Whether default passwords are a problem or a warning; without it, ENV of the kit decides.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say what is wrong with a kit: its mode, placeholders, default passwords, values, and pairs that do not match.

    Exit code 1 when there is any problem; warnings alone do no harm.
    """
    with _told():
        problems = check_kit(kit, production=production)
    for problem in problems:
        typer.echo(f"{problem.weight}  {problem}")
    if any(problem.weight is Weight.PROBLEM for problem in problems):
        raise typer.Exit(WRONG)
    typer.echo(f"{kit} is complete and valid.")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except KitError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(WRONG) from None


def _list(head: str, names: tuple[str, ...]) -> None:
    if names:
        typer.echo(head)
        for name in names:
            typer.echo(f"  {name}")


def _show(facts: PublicFacts) -> None:
    lines = (
        ("Name of the trust", facts.trust_name),
        ("SHA-256 of TRUST_API_KEY", facts.api_key_sha256),
        ("Entry of the hub's TRUST_API_KEY_HASHES", facts.trust_api_key_hashes),
        ("Fingerprint of AES_KEY_BASE64", facts.aes_key_fingerprint),
        ("Public key of the node, for the FLAME hub", facts.ecdh_public_key_hex),
        ("Fingerprint of that key (SHA-256)", facts.ecdh_public_key_fingerprint),
    )
    typer.echo("\nFor the administrator of the hub, none of it secret:")
    for name, value in lines:
        if value is not None:
            typer.echo(f"  {name}:\n    {value}")
