"""Three questions to the patients' database, and what each must come to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

DISCLOSURE_THRESHOLD = 10
"""The fewest patients that any number may stand for: the default of COHORT_QUERY_THRESHOLD."""


class Fate(Enum):
    """What becomes of a query."""

    ANSWERED = "answered"
    SUPPRESSED = "suppressed"
    REFUSED = "refused"


@dataclass(frozen=True)
class CohortQuestion:
    """What a researcher asks."""

    name: str
    about: str
    sql: str
    must_be: Fate


LARGE = CohortQuestion(
    "respiratory",
    "everybody with a disease of the lungs or airways",
    "SELECT c.person_id, c.condition_concept_id, c.condition_start_date, c.condition_end_date"
    " FROM omop.condition_occurrence AS c"
    " JOIN omop.concept_ancestor AS a ON a.descendant_concept_id = c.condition_concept_id"
    " WHERE a.ancestor_concept_id = 320136",
    Fate.ANSWERED,
)
SMALL = CohortQuestion(
    "rare-disease",
    "everybody with cystic fibrosis: four patients",
    "SELECT person_id, condition_start_date FROM omop.condition_occurrence WHERE condition_concept_id = 441267",
    Fate.SUPPRESSED,
)
MALICIOUS = CohortQuestion(
    "hostile",
    "a statement that would delete all patients, inside of a query",
    "WITH gone AS (DELETE FROM omop.person RETURNING *) SELECT * FROM gone",
    Fate.REFUSED,
)
QUESTIONS = (LARGE, SMALL, MALICIOUS)
