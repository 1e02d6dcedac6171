-- Objects that are being written and belong to nothing yet. A row whose lease has lapsed names an orphan.
CREATE TABLE staged_object (
    object_key text PRIMARY KEY,
    owner uuid NOT NULL,
    lease_expires_at timestamptz NOT NULL
);
CREATE INDEX staged_object_owner ON staged_object (owner);
CREATE INDEX staged_object_lease ON staged_object (lease_expires_at);

-- What the hub has said of analyses, so that results are accepted while it is away.
CREATE TABLE known_analysis (
    analysis_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    learned_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX known_analysis_project ON known_analysis (project_id);

CREATE TABLE known_bucket (
    analysis_id uuid NOT NULL,
    kind text NOT NULL,
    bucket_id uuid NOT NULL,
    storage_bucket_id uuid NOT NULL,
    links_by_itself boolean NOT NULL,
    learned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (analysis_id, kind)
);

-- Files on their way to the hub. The meaning of the states is in docs/reference/tables.md.
CREATE TABLE outbox (
    upload_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('final', 'intermediate')),
    interactive boolean NOT NULL,
    analysis_id uuid NOT NULL,
    project_id uuid,
    object_key text NOT NULL,
    owns_object boolean NOT NULL,
    filename text NOT NULL,
    content_type text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    bucket_id uuid,
    storage_bucket_id uuid,
    links_by_itself boolean,
    recipient_node_id uuid,
    recipient_public_key text,
    seal_nonce bytea,
    hub_path text,
    hub_file_id uuid,
    state text NOT NULL CHECK (
        state IN ('waiting', 'uploading', 'uploaded', 'delivered', 'failed', 'retracting', 'retracted')
    ),
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT now(),
    lease_token uuid,
    lease_expires_at timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
-- The worker's question: what is due and not leased?
CREATE INDEX outbox_open ON outbox (not_before)
    WHERE state IN ('waiting', 'uploading', 'uploaded', 'retracting');
CREATE INDEX outbox_lease ON outbox (lease_token) WHERE lease_token IS NOT NULL;
CREATE INDEX outbox_finished ON outbox (finished_at) WHERE finished_at IS NOT NULL;
-- Whose file at the hub is this?
CREATE INDEX outbox_hub_file ON outbox (hub_file_id) WHERE hub_file_id IS NOT NULL;
