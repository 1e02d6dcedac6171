-- What each project was told of cohorts. A new answer is compared with these, and the same question gets the same answer.
CREATE TABLE cohort_query_log (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    released_at timestamptz NOT NULL DEFAULT now(),
    project_id uuid NOT NULL,
    statement_hash text NOT NULL,
    statement text NOT NULL,
    subjects bigint NOT NULL,
    sizes bigint[] NOT NULL,
    gap_columns integer[] NOT NULL,
    distributed boolean NOT NULL,
    threshold integer NOT NULL,
    rounding integer NOT NULL,
    answer jsonb NOT NULL
);
CREATE INDEX cohort_query_log_project ON cohort_query_log (project_id, subjects);
CREATE INDEX cohort_query_log_statement ON cohort_query_log (project_id, statement_hash);
