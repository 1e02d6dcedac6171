INSERT INTO omop.observation_period
SELECT
    person_id,
    person_id,
    greatest(make_date(year_of_birth, 12, 31), DATE '2010-01-01' + (pg_temp.draw(person_id, 10) * 1500)::integer),
    DATE '2024-12-31' - (pg_temp.draw(person_id, 11) ^ 4 * 300)::integer,
    32817
FROM omop.person;
ALTER TABLE omop.observation_period ADD PRIMARY KEY (observation_period_id);
CREATE INDEX ON omop.observation_period (person_id);
ANALYZE omop.observation_period;

-- One visit for everybody, up to seven more.
INSERT INTO omop.visit_occurrence
SELECT
    visit,
    person_id,
    CASE WHEN kind < 0.12 THEN 9201 WHEN kind < 0.27 THEN 9203 ELSE 9202 END,
    started,
    started + interval '9 hours',
    ended,
    ended + interval '17 hours',
    32817,
    NULL,
    care_site_id,
    CASE WHEN kind < 0.12 THEN 'IP' WHEN kind < 0.27 THEN 'ER' ELSE 'OP' END,
    0,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL
FROM omop.person
CROSS JOIN LATERAL generate_series(
    1, 1 + least(7, floor(-1.1 * ln(1 - pg_temp.draw(person_id, 12))))::integer
) AS number
CROSS JOIN LATERAL (SELECT person_id * 16 + number) AS numbered (visit)
CROSS JOIN LATERAL (
    SELECT
        pg_temp.draw(visit, 13),
        greatest(make_date(year_of_birth, 12, 31), DATE '2014-01-01' + (pg_temp.draw(visit, 14) * 3900)::integer)
) AS drawn (kind, started)
CROSS JOIN LATERAL (
    SELECT started + CASE WHEN kind < 0.12 THEN 1 + (pg_temp.draw(visit, 15) * 9)::integer ELSE 0 END
) AS closed (ended);
ALTER TABLE omop.visit_occurrence ADD PRIMARY KEY (visit_occurrence_id);
CREATE INDEX ON omop.visit_occurrence (person_id);
CREATE INDEX ON omop.visit_occurrence (visit_concept_id);
ANALYZE omop.visit_occurrence;

-- The sum of three draws is close to a normal distribution with a standard deviation of one half.
INSERT INTO omop.measurement
SELECT
    measurement,
    person_id,
    made.concept_id,
    measured,
    measured + interval '9 hours',
    NULL,
    32817,
    NULL,
    round((made.mean + made.deviation * 2 * (
        pg_temp.draw(measurement, 17) + pg_temp.draw(measurement, 18) + pg_temp.draw(measurement, 19) - 1.5
    ))::numeric, 1),
    NULL,
    made.unit_concept_id,
    NULL,
    NULL,
    NULL,
    person_id * 16 + 1,
    NULL,
    made.code,
    0,
    made.unit,
    0,
    NULL,
    NULL,
    NULL
FROM omop.person
JOIN (VALUES
    (1, 3004249, '8480-6', 0.60, 128, 16, 8876, 'mmHg'),
    (2, 3012888, '8462-4', 0.60, 78, 10, 8876, 'mmHg'),
    (3, 3038553, '39156-5', 0.45, 27, 5, 9531, 'kg/m2'),
    (4, 3004410, '4548-4', 0.20, 6.1, 0.9, 8554, '%')
) AS made (number, concept_id, code, share, mean, deviation, unit_concept_id, unit)
    -- The two blood pressures are taken together.
    ON pg_temp.draw(person_id, 100 + greatest(made.number, 2)) < made.share
CROSS JOIN LATERAL (
    SELECT
        person_id * 8 + made.number,
        greatest(make_date(year_of_birth, 12, 31), DATE '2016-01-01' + (pg_temp.draw(person_id, 16) * 3200)::integer)
) AS drawn (measurement, measured);
ALTER TABLE omop.measurement ADD PRIMARY KEY (measurement_id);
CREATE INDEX ON omop.measurement (person_id);
CREATE INDEX ON omop.measurement (measurement_concept_id);
ANALYZE omop.measurement;

-- Studies of one in four persons; one study in five has two series, which share its accession number.
INSERT INTO omop.image_occurrence
SELECT
    study * 2 + series,
    person_id,
    NULL,
    person_id * 16 + 1,
    NULL,
    NULL,
    NULL,
    greatest(make_date(year_of_birth, 12, 31), DATE '2018-01-01' + (pg_temp.draw(study, 31) * 2500)::integer),
    '1.2.826.0.1.3680043.8.498.' || study,
    '1.2.826.0.1.3680043.8.498.' || study || '.' || series + 1,
    CASE WHEN kind < 0.45 THEN 4300757 WHEN kind < 0.70 THEN 4013636 ELSE 0 END,
    CASE WHEN kind < 0.45 THEN 'CT' WHEN kind < 0.70 THEN 'MR' ELSE 'DX' END,
    'ACC' || lpad(study::text, 9, '0')
FROM omop.person
CROSS JOIN LATERAL generate_series(1, CASE
    WHEN pg_temp.draw(person_id, 32) < 0.05 THEN 2
    WHEN pg_temp.draw(person_id, 32) < 0.25 THEN 1
    ELSE 0
END) AS number
CROSS JOIN LATERAL (SELECT person_id * 4 + number) AS numbered (study)
CROSS JOIN LATERAL (SELECT pg_temp.draw(study, 33)) AS drawn (kind)
CROSS JOIN LATERAL generate_series(0, CASE WHEN pg_temp.draw(study, 34) < 0.2 THEN 1 ELSE 0 END) AS series;
ALTER TABLE omop.image_occurrence ADD PRIMARY KEY (image_occurrence_id);
CREATE INDEX ON omop.image_occurrence (person_id);
CREATE INDEX ON omop.image_occurrence (accession_id);
ANALYZE omop.image_occurrence;
