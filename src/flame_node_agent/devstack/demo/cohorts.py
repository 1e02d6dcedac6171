"""Chapter: cohort queries come in from the hub, and only safe numbers go out."""

from __future__ import annotations

import uuid

import psycopg
from psycopg import sql

from flame_node_agent.devstack.demo.cohort_comparison import CohortRow, cohort_table
from flame_node_agent.devstack.demo.cohort_hub import CohortHub
from flame_node_agent.devstack.demo.cohort_queries import DISCLOSURE_THRESHOLD, QUESTIONS, CohortQuestion
from flame_node_agent.devstack.demo.narrator import Stopwatch
from flame_node_agent.devstack.demo.stage import Stage
from flame_node_agent.devstack.omop.access import OmopAccess

_SHOWN_GROUPS = ("Sex Distribution", "Age Distribution")


def ask_cohorts(stage: Stage) -> None:
    """A large cohort, a small one and an attack; then what the hub got for each."""
    narrator, omop = stage.narrator, stage.stack.omop
    narrator.chapter("The hub asks for cohorts, only safe numbers leave")
    narrator.explain(
        "The node fetches the question, computes inside the database, and lets no number out that stands for fewer "
        f"than {DISCLOSURE_THRESHOLD} patients."
    )
    narrator.did(f"the patients: {omop.persons:,} synthetic persons in an OMOP database")
    project = uuid.uuid4()
    with CohortHub(stage.stack.hub.urls) as hub:
        for question in QUESTIONS:
            watch = Stopwatch()
            with narrator.waiting(f"the hub waits for {question.name}"):
                answer = hub.ask(question, project)
            narrator.did(
                f"{question.name}, {question.about}: {answer.fate.value} after {watch.seconds:.1f} s"
            )
            stage.cohorts.append(CohortRow(question, _rows(omop, question), answer))
    for group in _SHOWN_GROUPS:
        buckets = stage.cohorts[0].answer.groups.get(group, {})
        narrator.did(f"{group}: " + ", ".join(f"{value} {count:,}" for value, count in buckets.items()))
    narrator.did(
        f"a group of fewer than {DISCLOSURE_THRESHOLD} is told together with the next smallest, as Other"
    )
    narrator.show(cohort_table(stage.cohorts))
    narrator.did(f"patients after the attack: {_persons(omop):,}")


def _rows(omop: OmopAccess, question: CohortQuestion) -> int | None:
    """Counted over the reader's own connection."""
    counted = sql.SQL("SELECT count(*) FROM ({}) AS cohort").format(sql.SQL(question.sql))
    with psycopg.connect(omop.reader_dsn) as connection:
        try:
            row = connection.execute(counted).fetchone()
        except psycopg.Error:
            return None
    return row[0] if row else None


def _persons(omop: OmopAccess) -> int:
    with psycopg.connect(omop.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM omop.person").fetchone()
    return row[0] if row else 0
