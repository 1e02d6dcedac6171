-- The approved cohort of a project: the query, and whom it covered when it was frozen. No other value of theirs.
CREATE TABLE cohort_snapshot (
    project_id uuid PRIMARY KEY,
    query text NOT NULL,
    query_hash text NOT NULL,
    row_count bigint NOT NULL,
    subject_count bigint NOT NULL,
    columns text[] NOT NULL,
    frozen_at timestamptz NOT NULL DEFAULT now()
);

-- No foreign key: it would be checked once for each of a million members. Both are written and deleted together.
CREATE TABLE cohort_snapshot_member (
    project_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('person', 'accession')),
    member text NOT NULL,
    PRIMARY KEY (project_id, kind, member)
);
