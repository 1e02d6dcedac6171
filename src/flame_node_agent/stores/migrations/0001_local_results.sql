-- Tagged local results, exactly as the FLAME Node Result Service keeps them, so that its database can be taken over.
CREATE TABLE IF NOT EXISTS tag (
    id serial PRIMARY KEY,
    tag_name varchar(255) NOT NULL,
    project_id varchar(255) NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS tag_tag_name_project_id ON tag (tag_name, project_id);

CREATE TABLE IF NOT EXISTS result (
    id serial PRIMARY KEY,
    client_id varchar(255) NOT NULL,
    object_id uuid NOT NULL,
    filename varchar(255) NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS result_client_id_object_id ON result (client_id, object_id);
-- File names are data of any length here.
ALTER TABLE result ALTER COLUMN filename TYPE text;

CREATE TABLE IF NOT EXISTS taggedresult (
    id serial PRIMARY KEY,
    tag_id integer NOT NULL REFERENCES tag (id) ON DELETE CASCADE,
    result_id integer NOT NULL REFERENCES result (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS taggedresult_tag_id ON taggedresult (tag_id);
CREATE INDEX IF NOT EXISTS taggedresult_result_id ON taggedresult (result_id);
