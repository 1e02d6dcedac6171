"""Starting, waiting and stopping: what the operator is told. Docker is a stand-in here."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.unit.deploy.operator import WELL, Operator

SICK = "1a trust-api running unhealthy 0 0"


def test_a_start_ends_when_all_is_healthy(operator: Operator) -> None:
    job_done = "1b bucket exited - 0 0"
    code, said = operator.make("up-local-trust", STATES=f"{WELL}\n{job_done}", FOLDER=str(operator.folder))
    assert code == 0, said
    assert said.endswith("The trust is up. Its polls: docker logs -f trust-api\n")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (SICK, "✘ trust-api is unhealthy."),
        ("1a trust-api running starting 0 0", "✘ trust-api is starting."),
        (f"{WELL}\n1b bucket exited - 3 0", "✘ bucket has ended with 3."),
        (f"{WELL}\n1b minio created - 0 0", "✘ minio has not been started, as what it needs is not healthy."),
        (f"{WELL}\n1b postgres restarting - 1 7", "✘ postgres ends again and again (7 times, with 1)."),
        (f"{WELL}\n1b postgres paused healthy 0 0", "✘ postgres is paused."),
    ],
)
def test_when_the_wait_ends_in_failure_the_service_is_named(
    operator: Operator, state: str, told: str
) -> None:
    code, said = operator.make("up-local-trust", STATES=state, WAIT_SECONDS="0")
    assert code != 0
    assert "After 0 seconds the trust is not healthy." in said
    assert told in said


@pytest.mark.parametrize(
    ("log", "telling"),
    [
        ("starting\nFATAL:  data directory has wrong ownership\nshutting down\n", "FATAL:  data directory"),
        ('{"level": "error", "event": "hub.refused"}\n{"level": "info", "errors": 0}', "hub.refused"),
        ("one\ntwo\n\n", "It logs: two"),
    ],
)
def test_the_last_telling_line_of_its_log_is_shown(operator: Operator, log: str, telling: str) -> None:
    _, said = operator.make("up-local-trust", STATES=SICK, WAIT_SECONDS="0", LOGS=log)
    assert telling in said


def test_what_the_health_check_has_said_is_shown(operator: Operator) -> None:
    _, said = operator.make(
        "up-local-trust", STATES=SICK, WAIT_SECONDS="0", HEALTH_SAYS='"agent: not ready\\n"'
    )
    assert "Its health check says: agent: not ready" in said


def test_the_wait_ends_early_for_a_service_that_ends_again_and_again(operator: Operator) -> None:
    operator.program("sleep", "#!/bin/sh\n")
    state = "1a trust-api restarting - 1 RESTARTS"
    code, said = operator.make("up-local-trust", STATES=state, WAIT_SECONDS="300")
    assert code != 0
    assert "The trust does not become healthy." in said


def test_ctrl_c_during_the_wait_says_how_to_go_on(operator: Operator) -> None:
    running = subprocess.Popen(
        ["make", "up-local-trust"],
        cwd=operator.folder,
        env=operator.environment(STATES=SICK),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(operator.called("inspect --format {{.Id}}")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # As a terminal does: to everybody in the foreground.
    os.killpg(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert "Interrupted. What runs goes on: make status-local-trust shows it" in said
    assert running.returncode != 0


@pytest.mark.parametrize(
    ("words", "told", "do"),
    [
        ("all predefined address pools have been fully subnetted", "no free addresses", "EGRESS_SUBNET="),
        ("invalid pool request: Pool overlaps with other one", "no free addresses", "INTERNAL_SUBNET="),
        (
            "Bind for 127.0.0.1:8024 failed: port is already allocated",
            "A port of the machine",
            "TRUST_API_PORT",
        ),
        ('The container name "/trust-api" is already in use by container', "A name of the trust's", "STACK="),
        ("write /var/lib/docker/x: no space left on device", "The disk is full.", "docker system df"),
        ("Head https://quay.io/v2/: dial tcp: no such host", "An image cannot be fetched", "POSTGRES_IMAGE="),
    ],
)
def test_what_compose_says_is_put_in_words(operator: Operator, words: str, told: str, do: str) -> None:
    code, said = operator.make("up-local-trust", UP_SAYS=words)
    assert code != 0
    assert words in said
    assert told in said
    assert do in said


class TestADatabaseOfEarlierDays:
    def test_a_password_that_it_does_not_know_is_told_with_both_ways_out(self, operator: Operator) -> None:
        refusal = 'FATAL:  password authentication failed for user "node"'
        code, said = operator.make("up-local-trust", VOLUMES="yes", PASSWORD_SAYS=refusal)
        assert code != 0
        assert "volume trust-local_postgres has another password than POSTGRES__PASSWORD" in said
        assert "put POSTGRES__PASSWORD of the earlier kit back" in said
        assert "docker volume rm trust-local_postgres" in said
        assert not operator.called("--remove-orphans")

    def test_another_refusal_is_told_as_it_is(self, operator: Operator) -> None:
        _, said = operator.make("up-local-trust", VOLUMES="yes", PASSWORD_SAYS='database "x" does not exist')
        assert 'does not let the node in: database "x" does not exist' in said

    def test_one_that_does_not_start_is_told_with_its_log(self, operator: Operator) -> None:
        operator.program("sleep", "#!/bin/sh\n")
        log = "FATAL:  database files are incompatible with server"
        code, said = operator.make("up-local-trust", VOLUMES="yes", DATABASE_SAYS="no", LOGS=log)
        assert code != 0
        assert f"The database of postgres does not start: {log}" in said

    def test_without_a_volume_nothing_is_looked_at(self, operator: Operator) -> None:
        assert operator.make("up-local-trust", STATES=WELL, FOLDER=str(operator.folder))[0] == 0
        assert not operator.called("pg_isready")


class TestTheImage:
    def test_what_a_stack_came_up_with_stays_its_image(self, operator: Operator) -> None:
        up = {"STATES": WELL, "FOLDER": str(operator.folder)}
        assert operator.make("up-local-trust", "NODE_IMAGE=flame-node-agent:0.2.0", **up)[0] == 0
        assert operator.make("check-local-trust", **up)[0] == 0
        assert " flame-node-agent:0.2.0 flame-node keys check" in operator.called("run --rm")[-1]

    def test_one_that_fails_is_not_kept(self, operator: Operator) -> None:
        assert operator.make("up-local-trust", "NODE_IMAGE=other:1", STATES=SICK, WAIT_SECONDS="0")[0] != 0
        assert not list(operator.folder.glob(".node-image*"))

    def test_the_usual_one_needs_no_note(self, operator: Operator) -> None:
        assert operator.make("up-local-trust", STATES=WELL, FOLDER=str(operator.folder))[0] == 0
        assert not (operator.folder / ".node-image.trust-local").exists()


class TestANameThatMeansAnotherImage:
    NOTE = ".node-image.trust-local.id"

    def up(self, operator: Operator, **said: str) -> str:
        usual = {"STATES": WELL, "FOLDER": str(operator.folder), "VOLUMES": "yes", "IMAGE_ID": "sha256:2"}
        code, text = operator.make("up-local-trust", **usual, **said)
        assert code == 0, text
        return text

    def backups(self, operator: Operator) -> list[Path]:
        return list((operator.folder / "backups").glob("trust-local-2*"))

    def test_the_id_of_what_came_up_is_kept(self, operator: Operator) -> None:
        self.up(operator, RUNS="n:1")
        assert (operator.folder / self.NOTE).read_text() == "sha256:1\n"

    def test_data_are_backed_up_before_it_runs_and_the_way_back_is_told(self, operator: Operator) -> None:
        said = self.up(operator, RUNS="flame-node-agent:latest")
        assert (
            "flame-node-agent:latest is another image than the one that this trust ran last (sha256:1)"
            in said
        )
        assert "make rollback-local-trust" in said
        (backup,) = self.backups(operator)
        assert (backup / "image").read_text() == f"flame-node-agent:{backup.name}\n"
        calls = operator.calls.read_text()
        assert 0 < calls.index("pg_dump") < calls.index("--remove-orphans")

    def test_it_is_noticed_when_the_trust_was_taken_down_as_well(self, operator: Operator) -> None:
        (operator.folder / self.NOTE).write_text("sha256:1\n")
        assert "ran last (sha256:1)" in self.up(operator)
        assert len(self.backups(operator)) == 1

    def test_the_bucket_runs_for_its_backup(self, operator: Operator) -> None:
        with operator.kit.open("a") as kit:
            kit.write("MINIO__ENDPOINT=minio:9000\n")
        self.up(operator, RUNS="n:1")
        calls = operator.calls.read_text()
        assert 0 < calls.index("up -d minio bucket") < calls.index("pg_dump")

    def test_a_backup_that_fails_keeps_it_from_running(self, operator: Operator) -> None:
        (operator.folder / "backups").touch()
        said = {"STATES": WELL, "FOLDER": str(operator.folder), "VOLUMES": "yes", "IMAGE_ID": "sha256:2"}
        assert operator.make("up-local-trust", **said, RUNS="n:1")[0] != 0
        assert not operator.called("--remove-orphans")

    def test_for_development_it_is_only_said(self, operator: Operator) -> None:
        operator.kit.rename(operator.folder / ".env.Trust_2.development")
        assert "are not backed up first" in self.up(operator, RUNS="n:1", PROD="")
        assert not self.backups(operator)

    def test_an_upgrade_backs_up_once(self, operator: Operator) -> None:
        said = {"STATES": WELL, "FOLDER": str(operator.folder), "VOLUMES": "yes", "IMAGE_ID": "sha256:2"}
        assert operator.make("upgrade-local-trust", **said, RUNS="n:1")[0] == 0
        assert len(operator.called("pg_dump")) == 1

    def test_the_same_image_and_a_first_start_need_no_backup(self, operator: Operator) -> None:
        said = {"STATES": WELL, "FOLDER": str(operator.folder)}
        assert operator.make("up-local-trust", **said, VOLUMES="yes", RUNS="n:1")[0] == 0
        (operator.folder / self.NOTE).write_text("sha256:0\n")
        assert operator.make("up-local-trust", **said)[0] == 0
        assert not self.backups(operator)


def test_a_failed_upgrade_says_how_to_go_back(operator: Operator) -> None:
    said = operator.make("upgrade-local-trust", "NODE_IMAGE=n:2", RUNS="n:1", STATES=SICK, WAIT_SECONDS="0")[
        1
    ]
    assert "Backed up to backups/trust-local-2" in said
    assert "The upgrade to n:2 has failed." in said
    assert "Go back to n:1 and the data of the backup: make rollback-local-trust" in said


def test_a_failed_upgrade_without_a_backup_says_what_is_left(operator: Operator) -> None:
    asked = ("NODE_IMAGE=n:2", "BACKUP=no")
    said = operator.make("upgrade-local-trust", *asked, RUNS="n:1", STATES=SICK, WAIT_SECONDS="0")[1]
    assert "NODE_IMAGE=n:1 make up-local-trust runs the earlier image" in said


def test_a_backup_names_its_image_even_when_the_name_means_another_by_now(operator: Operator) -> None:
    up = {"RUNS": "n:latest", "STATES": WELL, "FOLDER": str(operator.folder)}
    assert operator.make("backup-local-trust", IMAGE_ID="sha256:2", **up)[0] == 0
    (backup,) = (operator.folder / "backups").iterdir()
    assert (backup / "image").read_text() == f"flame-node-agent:{backup.name}\n"
    assert operator.called(f"tag sha256:1 flame-node-agent:{backup.name}")


def test_going_back_takes_the_newest_backup_of_another_image(operator: Operator) -> None:
    for name, image in (
        ("20260101T000000Z", "n:0"),
        ("20260102T000000Z", "n:1"),
        ("20260103T000000Z", "n:2"),
    ):
        folder = operator.folder / "backups" / f"trust-local-{name}"
        folder.mkdir(parents=True)
        (folder / "image").write_text(f"{image}\n")
    said = operator.make("rollback-local-trust", RUNS="n:2", STATES=WELL)[1]
    assert "Going back from n:2 to n:1, with the data of backups/trust-local-20260102T000000Z" in said
    assert "before-rollback" in said


class TestWhatIsAskedOfAStack:
    @pytest.mark.parametrize("target", ["restart-local-trust", "logs-local-trust"])
    def test_a_service_that_is_not_there_is_told_with_those_that_are(
        self, operator: Operator, target: str
    ) -> None:
        code, said = operator.make(target, "SERVICE=nonsense", STATES=WELL)
        assert code != 0
        assert "There is no service nonsense." in said
        assert "There are: trust-api" in said

    @pytest.mark.parametrize("target", ["restart", "logs", "status", "stop", "down"])
    def test_an_engine_that_does_not_answer(self, operator: Operator, target: str) -> None:
        code, said = operator.make(f"{target}-local-trust", ENGINE="")
        assert code != 0
        assert "The Docker engine does not answer." in said

    def test_the_status_of_what_is_not_well_says_why(self, operator: Operator) -> None:
        code, said = operator.make(
            "status-local-trust", STATES=SICK, AGENT_SAYS="agent: not ready", LOGS="oh"
        )
        assert code != 0
        assert "✘ trust-api is unhealthy." in said

    def test_going_down_twice_is_no_failure(self, operator: Operator) -> None:
        code, said = operator.make("down-local-trust")
        assert (code, said) == (0, "The trust trust-local does not run.\n")

    def test_stopping_leaves_the_containers_with_their_logs(self, operator: Operator) -> None:
        code, said = operator.make("stop-local-trust", STATES=WELL)
        assert code == 0, said
        assert "make up-local-trust starts them" in said
        assert operator.called("compose --project-name trust-local stop ")
        assert not operator.called(" down ")

    def test_stopping_what_does_not_run_is_no_failure(self, operator: Operator) -> None:
        assert operator.make("stop-local-trust") == (0, "The trust trust-local does not run.\n")

    def test_a_network_that_others_are_in_is_told_and_the_trust_is_down(self, operator: Operator) -> None:
        Path(f"{operator.calls}.down").touch()
        code, said = operator.make("down-local-trust", NETWORKS="trust-local_egress")
        assert code == 0
        assert "trust-local_egress stays, as other containers are in it: hub issuer" in said
        assert "The trust is down. Its data stay, in volumes." in said

    def test_without_its_kit_a_trust_can_still_be_taken_down(self, operator: Operator) -> None:
        operator.kit.unlink()
        Path(f"{operator.calls}.down").touch()
        assert operator.make("down-local-trust", NETWORKS="trust-local_egress")[0] == 0
        assert operator.called("compose --project-name trust-local down --remove-orphans")
