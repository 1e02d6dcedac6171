"""``backup-``, ``restore-`` and ``down-local-trust`` do what they say."""

from __future__ import annotations

from tests.deploy.outside import Outside
from tests.deploy.trust_host import TrustHost, until


def test_a_restored_trust_is_as_it_was(trust: TrustHost, outside: Outside) -> None:
    until(lambda: trust.put_result(outside, "kept.txt", "kept") == "204", "kept.txt accepted")
    until(lambda: trust.arrived(outside, "kept.txt"), "kept.txt at the hub")
    head = trust.inside("trust-api", "flame-node", "ledger", "verify").split()[-1]
    objects = trust.objects()
    backup = trust.back_up()
    until(lambda: trust.put_result(outside, "later.txt", "later") == "204", "later.txt accepted")
    until(lambda: trust.arrived(outside, "later.txt"), "later.txt at the hub")
    assert trust.inside("trust-api", "flame-node", "ledger", "verify").split()[-1] != head
    trust.make("restore-local-trust", f"BACKUP={backup}")
    rows = trust.inside("trust-api", "flame-node", "ledger", "verify", "--expect-head", head)
    assert head in rows
    assert trust.objects() == objects


def test_a_backup_survives_the_loss_of_all_volumes(trust: TrustHost, outside: Outside) -> None:
    until(lambda: trust.put_result(outside, "in-the-backup.txt", "x") == "204", "accepted")
    until(lambda: trust.arrived(outside, "in-the-backup.txt"), "at the hub")
    head = trust.inside("trust-api", "flame-node", "ledger", "verify").split()[-1]
    backup = trust.back_up()
    trust.make("down-local-trust", check=False)
    for volume in ("postgres", "objects"):
        trust.engine.docker("volume", "rm", f"{trust.stack}_{volume}")
    trust.make("restore-local-trust", f"BACKUP={backup}")
    trust.inside("trust-api", "flame-node", "ledger", "verify", "--expect-head", head)
    until(lambda: trust.put_result(outside, "after-the-loss.txt", "x") == "204", "it takes results again")
    until(lambda: trust.arrived(outside, "after-the-loss.txt"), "and delivers them")


def test_a_damaged_backup_is_refused_and_changes_nothing(trust: TrustHost, outside: Outside) -> None:
    backup = trust.folder / "trust" / trust.back_up()
    with (backup / "database.dump").open("ab") as dump:
        dump.write(b"x")
    before = {name: each["Id"] for name, each in trust.containers().items()}
    said = trust.make("restore-local-trust", f"BACKUP={backup}", check=False)
    assert "is damaged" in said
    assert {name: each["Id"] for name, each in trust.containers().items()} == before


def test_a_backup_is_its_owners_alone(trust: TrustHost) -> None:
    backup = trust.folder / "trust" / trust.back_up()
    assert backup.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in backup.iterdir())


def test_down_stops_everything_and_keeps_the_data(trust: TrustHost, outside: Outside) -> None:
    head = trust.inside("trust-api", "flame-node", "ledger", "verify").split()[-1]
    outside.leave()
    trust.make("down-local-trust")
    assert trust.containers() == {}
    trust.make("up-local-trust")
    outside.come_back()
    trust.inside("trust-api", "flame-node", "ledger", "verify", "--expect-head", head)


def test_down_ends_well_while_others_are_in_its_network_and_when_it_is_asked_twice(
    trust: TrustHost, outside: Outside
) -> None:
    said = trust.make("down-local-trust")
    assert f"The network {trust.stack}_egress stays, as other containers are in it" in said
    assert f"{trust.stack}-hub" in said
    assert trust.containers() == {}
    outside.leave()
    trust.make("down-local-trust")
    assert f"The trust {trust.stack} does not run." in trust.make("down-local-trust")
    trust.make("up-local-trust")
    outside.come_back()
