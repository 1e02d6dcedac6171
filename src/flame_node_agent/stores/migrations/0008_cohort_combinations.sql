-- Whether an answer's numbers have more combinations than its sizes list: then it is compared with every other answer.
ALTER TABLE cohort_query_log ADD COLUMN varied boolean NOT NULL DEFAULT false;
-- Of earlier answers, the sizes of the combinations were not noted.
UPDATE cohort_query_log SET varied = true
    WHERE gap_columns <> '{}' OR distributed AND (answer->>'record_count')::bigint <> subjects;
ALTER TABLE cohort_query_log ALTER COLUMN varied DROP DEFAULT;
