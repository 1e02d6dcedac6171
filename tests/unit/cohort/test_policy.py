"""The access policy: what stops the start, how it decides, and that nobody learns of it by asking."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from flame_node_agent.cli import app
from flame_node_agent.cohort.policy import Action, Policy
from flame_node_agent.cohort.serving import load_policy
from flame_node_agent.config.data_access import load_data_access
from flame_node_agent.errors import SettingsError
from tests.unit.cohort.service_double import ENVIRONMENT, PROJECT, Service, assemble

OTHER = UUID("77a2f0f4-5d0e-4b3c-8f5c-6c1b9a2d3e4f")
RULE = '[[access.rule]]\nid = "r"\naction = "cohort.dataframe"\neffect = "permit"\n'


def load(tmp_path: Path, text: str | bytes, floor: int = 10) -> Policy:
    path = tmp_path / "policy.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Policy.load(path, floor)


def rule(name: str, action: str, effect: str, *, projects: list[UUID] | None = None, size: int = 0) -> str:
    lines = ["[[access.rule]]", f'id = "{name}"', f'action = "{action}"', f'effect = "{effect}"']
    if projects is not None:
        lines.append(f"projects = [{', '.join(f'"{project}"' for project in projects)}]")
    if size:
        lines.append(f"min_cohort_size = {size}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names an empty policy"),
        ("# nothing\n", "names an empty policy"),
        (b"\xff\xfe", "is not UTF-8"),
        ("[disclosure", "is not TOML"),
        ("[disclosures]\n", "disclosures: is not a key of a policy"),
        ("[disclosure]\nmin_size = 20\n", "disclosure.min_size: is not a key"),
        (f"{RULE}reason = 'x'\n", "access.rule[0].reason: is not a key"),
        (f"{RULE}{RULE}", "two rules have the id 'r'"),
        (f"{RULE}projects = []\n", "access.rule[0].projects: "),
        (f"{RULE}projects = ['project-7']\n", "access.rule[0].projects[0]: "),
        (f"{RULE}projects = [7]\n", "access.rule[0].projects: is no list of project ids"),
        (f"{RULE}projects = '{PROJECT}'\n", "access.rule[0].projects: is no list of project ids"),
        ("[disclosure]\nmin_cohort_size = 9\n", "disclosure.min_cohort_size: 9 is below"),
        ("[disclosure]\nmin_cohort_size = 0\n", "disclosure.min_cohort_size: 0 is below"),
        ("[disclosure]\nmin_cohort_size = '20'\n", "disclosure.min_cohort_size: "),
        ("[disclosure]\nmin_cohort_size = true\n", "disclosure.min_cohort_size: "),
        (f"{RULE}min_cohort_size = 9\n", "rule 'r': min_cohort_size 9 is below the threshold of 10"),
        (f"{RULE}min_cohort_size = 0\n", "rule 'r': min_cohort_size 0 is below the threshold of 10"),
        (
            f"[disclosure]\nmin_cohort_size = 20\n{RULE}min_cohort_size = 19\n",
            "rule 'r': min_cohort_size 19 is below the threshold of 20",
        ),
        (f"{RULE}min_cohort_size = 50\n".replace("permit", "deny"), "a deny has no min_cohort_size"),
        (RULE.replace('id = "r"\n', ""), "access.rule[0].id: Field required"),
        (RULE.replace('id = "r"', 'id = ""'), "access.rule[0].id: "),
        (RULE.replace('action = "cohort.dataframe"\n', ""), "access.rule[0].action: Field required"),
        (RULE.replace('effect = "permit"\n', ""), "access.rule[0].effect: Field required"),
        (RULE.replace("cohort.dataframe", "cohort.everything"), "access.rule[0].action: "),
        (RULE.replace("permit", "allow"), "access.rule[0].effect: "),
    ],
)
def test_policy_that_is_not_understood_stops_the_start(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    assert [found.variable for found in refused.value.problems] == ["ACCESS_POLICY_FILE"]
    assert problem in str(refused.value)


def test_policy_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(SettingsError, match="ACCESS_POLICY_FILE: names a file that cannot be read"):
            Policy.load(path, 10)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, f"[disclosure]\nmin_cohort_size = 9\n{RULE}{RULE}min_cohort_size = 3\n")
    assert len(refused.value.problems) == 3


def test_section_of_the_fl_client_is_left_to_it(tmp_path: Path) -> None:
    policy = load(tmp_path, "[fl_privacy]\npolicy = 'percentile'\nPERCENTILE = 10\n")
    assert policy.decide(Action.DATAFRAME, PROJECT).permit


def test_without_a_policy_everything_is_permitted_from_the_threshold_on() -> None:
    decision = Policy.load(None, 12).decide(Action.DATAFRAME, None)
    assert (decision.permit, decision.rule, decision.threshold) == (True, "default.unset", 12)


def test_action_that_no_rule_speaks_of_is_permitted_from_the_sections_size_on(tmp_path: Path) -> None:
    policy = load(tmp_path, f"[disclosure]\nmin_cohort_size = 25\n{RULE}")
    decision = policy.decide(Action.ACCESSION_IDS, PROJECT)
    assert (decision.permit, decision.rule, decision.threshold) == (True, "default.unmentioned", 25)


def test_action_that_rules_speak_of_is_denied_to_projects_they_do_not_cover(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("one", "cohort.dataframe", "permit", projects=[OTHER]))
    assert policy.decide(Action.DATAFRAME, OTHER).permit
    decision = policy.decide(Action.DATAFRAME, PROJECT)
    assert (decision.permit, decision.rule) == (False, "default.deny")


def test_deny_overrides_permits_in_any_order(tmp_path: Path) -> None:
    allow = rule("allow", "cohort.dataframe", "permit")
    deny = rule("never", "cohort.dataframe", "deny", projects=[PROJECT])
    for text in (allow + deny, deny + allow):
        policy = load(tmp_path, text)
        decision = policy.decide(Action.DATAFRAME, PROJECT)
        assert (decision.permit, decision.rule) == (False, "never")
        assert policy.decide(Action.DATAFRAME, OTHER).rule == "allow"


def test_strictest_permit_wins(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        "[disclosure]\nmin_cohort_size = 15\n"
        + rule("loose", "cohort.dataframe", "permit")
        + rule("strict", "cohort.dataframe", "permit", projects=[PROJECT], size=50)
        + rule("middle", "cohort.dataframe", "permit", size=20),
    )
    decision = policy.decide(Action.DATAFRAME, PROJECT)
    assert (decision.permit, decision.rule, decision.threshold) == (True, "strict", 50)
    assert policy.decide(Action.DATAFRAME, OTHER).threshold == 20


def test_size_of_the_section_holds_for_rules_without_one(tmp_path: Path) -> None:
    policy = load(tmp_path, f"[disclosure]\nmin_cohort_size = 25\n{RULE}")
    assert policy.decide(Action.DATAFRAME, PROJECT).threshold == 25


def test_project_without_a_uuid_is_denied_what_depends_on_the_project(tmp_path: Path) -> None:
    scoped = load(
        tmp_path,
        rule("all", "cohort.dataframe", "permit") + rule("one", "cohort.dataframe", "deny", projects=[OTHER]),
    )
    decision = scoped.decide(Action.DATAFRAME, None)
    assert (decision.permit, decision.rule) == (False, "default.invalid_project")
    assert load(tmp_path, RULE).decide(Action.DATAFRAME, None).permit


def denying(tmp_path: Path, action: str, **environment: str) -> Service:
    policy = load(tmp_path, rule("telltale", action, "deny", projects=[PROJECT]))
    return assemble(policy, **environment)


async def test_denied_statistics_look_suppressed_and_the_query_is_not_run(tmp_path: Path) -> None:
    service = denying(tmp_path, "cohort.statistics")
    with capture_logs() as logs:
        denied = await service.post("/cohort", service.cohort("SELECT 1 AS secret FROM person"))
    assert service.statistics.asked == []
    suppressing = assemble()
    suppressing.statistics.suppress()
    assert denied == await suppressing.post("/cohort", suppressing.cohort())
    (entry,) = [entry for entry in logs if entry["event"] == "policy.denied"]
    assert (entry["rule"], entry["project"]) == ("telltale", str(PROJECT))
    assert "secret" not in str(logs)
    assert "telltale" not in str(denied)


@pytest.mark.parametrize("mode", ["snapshot", "live"])
@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("cohort.dataframe", "/cohort/dataframe"),
        ("cohort.accession_ids", "/cohort/accession-ids"),
        ("cohort.statistics", "/cohort/snapshot"),
    ],
)
async def test_denied_rows_look_too_small_and_nothing_is_run(
    tmp_path: Path, mode: str, action: str, path: str
) -> None:
    service = denying(tmp_path, action, COHORT_ROW_LEVEL=mode)
    expected = (403, {"detail": "Cohort is too small for row-level data to be released."})
    assert await service.post(path, service.rows_of()) == expected
    assert service.engine.statements == []


async def test_wrong_query_is_refused_alike_whether_permitted_or_denied(tmp_path: Path) -> None:
    denied, permitted = denying(tmp_path, "cohort.statistics"), assemble()
    for service in (denied, permitted):
        status, _ = await service.post("/cohort", service.cohort("DELETE FROM person"))
        assert status == 400


async def test_size_of_a_rule_is_the_threshold_of_the_answer(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("r", "cohort.statistics", "permit", size=77))
    service = assemble(policy)
    await service.post("/cohort", service.cohort())
    assert service.statistics.asked == [(PROJECT, 77)]


def test_start_tells_which_policy_is_in_force(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(RULE)
    with capture_logs() as logs:
        load_policy(load_data_access({**ENVIRONMENT, "ACCESS_POLICY_FILE": str(path)}, env_file=None))
        load_policy(load_data_access(ENVIRONMENT, env_file=None))
    active, none = logs
    assert (active["event"], active["source"]) == ("policy.active", str(path))
    assert active["sha256"] == hashlib.sha256(RULE.encode()).hexdigest()
    assert (none["event"], none["threshold"]) == ("policy.not_configured", 10)


def check(*arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, ["policy", "check", *arguments])
    return ended.exit_code, ended.stdout, ended.stderr


def test_command_tells_what_a_policy_says(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        rule("few", "cohort.dataframe", "permit", projects=[PROJECT, OTHER], size=50)
        + rule("no", "cohort.accession_ids", "deny")
    )
    code, out, _ = check(str(path))
    assert code == 0
    assert out.splitlines() == [
        "few: permit cohort.dataframe to 2 projects from 50 subjects on",
        "no: deny cohort.accession_ids to all projects",
        "The policy is valid: 2 rules, from 10 subjects on.",
        f"SHA-256: {hashlib.sha256(path.read_bytes()).hexdigest()}",
    ]


def test_command_tells_why_a_policy_would_stop_the_start(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(f"{RULE}min_cohort_size = 15\n")
    assert check(str(path))[0] == 0
    code, _, problems = check(str(path), "--threshold", "20")
    assert (code, problems) == (1, f"{path}: rule 'r': min_cohort_size 15 is below the threshold of 20\n")
    path.unlink()
    assert check(str(path))[::2] == (1, f"{path}: cannot be read (No such file or directory)\n")
