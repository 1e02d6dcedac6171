"""A long run goes on where it stopped, and only as the same run."""

from __future__ import annotations

from pathlib import Path

import pytest
from provision.progress import Progress
from provision.said import Stop
from provision.trust_kit import find_kit, put_value


def run(path: Path, inputs: dict[str, str], *, fail: bool) -> list[str]:
    done: list[str] = []

    def second() -> None:
        if fail:
            raise Stop("no")
        done.append("second")

    progress = Progress(path, inputs)
    progress.take("first", "First", lambda: done.append("first"))
    try:
        progress.take("second", "Second", second)
    except Stop:
        return done
    progress.finish()
    return done


def test_a_step_that_was_done_is_not_done_again_until_the_run_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "deploy/progress.json"
    assert run(path, {"ip": "1"}, fail=True) == ["first"]
    assert run(path, {"ip": "1"}, fail=False) == ["second"]
    assert run(path, {"ip": "1"}, fail=False) == ["first", "second"]


def test_a_run_for_something_else_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    assert run(path, {"ip": "1"}, fail=True) == ["first"]
    assert run(path, {"ip": "2"}, fail=False) == ["first", "second"]


def test_the_kit_of_the_environment_goes_before_the_general_one(tmp_path: Path) -> None:
    assert find_kit(tmp_path, "Trust_2", "true") == tmp_path / ".env.Trust_2.production"
    (tmp_path / ".env.Trust_2").touch()
    assert find_kit(tmp_path, "Trust_2", "true") == tmp_path / ".env.Trust_2"
    (tmp_path / ".env.Trust_2.production").touch()
    assert find_kit(tmp_path, "Trust_2", "true") == tmp_path / ".env.Trust_2.production"


def test_a_value_is_replaced_in_its_line_and_the_kit_stays_private(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    kit.write_text("# a note\nAES_KEY_BASE64=old\nB=2\n")
    kit.chmod(0o644)
    put_value(kit, "AES_KEY_BASE64", r"new\1")
    assert kit.read_text() == "# a note\nAES_KEY_BASE64=new\\1\nB=2\n"
    assert kit.stat().st_mode & 0o777 == 0o600
    put_value(kit, "C", "x")
    assert kit.read_text() == "# a note\nAES_KEY_BASE64=new\\1\nB=2\nC=x\n"
    kit.write_text("C=1\nC=2\n")
    with pytest.raises(Stop, match="2 lines of C"):
        put_value(kit, "C", "x")


def test_a_value_makes_the_kit_where_there_is_none(tmp_path: Path) -> None:
    put_value(tmp_path / "trust/kit", "C", "x")
    assert (tmp_path / "trust/kit").read_text() == "C=x\n"
    assert (tmp_path / "trust/kit").stat().st_mode & 0o777 == 0o600
