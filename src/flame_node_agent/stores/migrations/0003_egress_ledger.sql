-- One row for every file that left this node. Rows can be added, never changed or removed; each carries the hash of
-- the one before it, so a change made behind the database's back shows as well.
CREATE TABLE egress_ledger (
    seq bigint PRIMARY KEY,
    left_at timestamptz NOT NULL,
    upload_id uuid NOT NULL UNIQUE,
    analysis_id uuid NOT NULL,
    project_id uuid,
    kind text NOT NULL,
    name text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    sent_size bigint NOT NULL,
    sent_sha256 text NOT NULL,
    destination text NOT NULL,
    sealed_for uuid,
    previous_hash text NOT NULL,
    row_hash text NOT NULL
);

CREATE FUNCTION egress_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the egress ledger is append-only';
END
$$;

CREATE TRIGGER egress_ledger_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON egress_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION egress_ledger_is_append_only();
