-- Persons 1 to omop.persons. Each value is a draw for (person, stream), so a person is the same whatever the number.
INSERT INTO omop.person
SELECT
    id,
    CASE WHEN sex < 0.493 THEN 8507 WHEN sex < 0.997 THEN 8532 ELSE 0 END,
    extract(year FROM birth)::integer,
    CASE WHEN dated THEN extract(month FROM birth)::integer END,
    CASE WHEN dated THEN extract(day FROM birth)::integer END,
    CASE WHEN dated THEN birth::timestamp END,
    CASE WHEN race < 0.70 THEN 8527 WHEN race < 0.82 THEN 8516 WHEN race < 0.94 THEN 8515 ELSE 0 END,
    CASE WHEN pg_temp.draw(id, 5) < 0.05 THEN 38003563 ELSE 38003564 END,
    NULL,
    NULL,
    1 + (pg_temp.draw(id, 6) * 4)::integer,
    'P' || lpad(id::text, 8, '0'),
    CASE WHEN sex < 0.493 THEN 'M' WHEN sex < 0.997 THEN 'F' END,
    0,
    CASE WHEN race < 0.70 THEN 'White' WHEN race < 0.82 THEN 'Black' WHEN race < 0.94 THEN 'Asian' END,
    0,
    NULL,
    0
FROM (
    SELECT
        id,
        pg_temp.draw(id, 1) AS sex,
        -- Born in 1928 to 2023, fewer of the very old.
        DATE '2023-12-31' - (35000 * (1 - (1 - pg_temp.draw(id, 2)) ^ 0.65))::integer AS birth,
        pg_temp.draw(id, 3) >= 0.02 AS dated,
        pg_temp.draw(id, 4) AS race
    FROM generate_series(1, current_setting('omop.persons')::integer) AS id
) AS drawn;

ALTER TABLE omop.person ADD PRIMARY KEY (person_id);
CREATE INDEX ON omop.person (gender_concept_id);
ANALYZE omop.person;
