-- Tasks of the hub, from the moment they were fetched. The meaning of the states is in docs/reference/tables.md.
CREATE TABLE task_journal (
    task_id uuid PRIMARY KEY,
    arrival bigint GENERATED ALWAYS AS IDENTITY,
    task_type text NOT NULL,
    payload text NOT NULL,
    hub_created_at text,
    state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'closed')),
    runs integer NOT NULL DEFAULT 0,
    success boolean,
    result text,
    cohort_report text,
    reports integer NOT NULL DEFAULT 0,
    close_reason text CHECK (close_reason IN ('reported', 'confirmed', 'refused')),
    not_before timestamptz NOT NULL DEFAULT now(),
    lease_token uuid,
    lease_expires_at timestamptz,
    last_error text,
    received_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    closed_at timestamptz
);
-- The runner's question: what is there to run, the oldest first, type by type?
CREATE INDEX task_journal_to_run ON task_journal (task_type, arrival) WHERE state IN ('waiting', 'running');
-- The reporter's: what has to be told?
CREATE INDEX task_journal_to_report ON task_journal (not_before, arrival) WHERE state = 'done';
CREATE INDEX task_journal_lease ON task_journal (lease_token) WHERE lease_token IS NOT NULL;
CREATE INDEX task_journal_closed ON task_journal (closed_at) WHERE closed_at IS NOT NULL;

-- Reports of tasks leave as well: they belong to no analysis, and one task may send two of different kinds.
ALTER TABLE egress_ledger ALTER COLUMN analysis_id DROP NOT NULL;
ALTER TABLE egress_ledger DROP CONSTRAINT egress_ledger_upload_id_key;
ALTER TABLE egress_ledger ADD CONSTRAINT egress_ledger_upload_id_kind_key UNIQUE (upload_id, kind);
