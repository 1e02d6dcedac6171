-- How common a condition is at 20 and at 80 years of age; straight lines between and beyond. Some are recorded twice.
INSERT INTO omop.condition_occurrence
SELECT
    person_id * 64 + known.number * 2 + again,
    person_id,
    known.concept_id,
    started,
    started + interval '9 hours' + again * interval '30 minutes',
    CASE WHEN NOT chronic THEN started + 14 END,
    NULL,
    32817,
    NULL,
    NULL,
    NULL,
    person_id * 16 + 1,
    NULL,
    known.code,
    0,
    NULL
FROM (
    SELECT
        person_id,
        2024 - year_of_birth AS age,
        make_date(year_of_birth, 12, 31) AS born_by
    FROM omop.person
) AS patient
CROSS JOIN (VALUES
    (1, 201826, 'E11.9', 0.010, 0.180, true),
    (2, 201254, 'E10.9', 0.006, 0.004, true),
    (3, 317009, 'J45.9', 0.120, 0.080, true),
    (4, 255573, 'J44.9', -0.02, 0.090, true),
    (5, 255848, 'J18.9', 0.010, 0.060, false),
    (6, 37311061, 'U07.1', 0.080, 0.060, false),
    (7, 320128, 'I10', 0.010, 0.550, true),
    (8, 312327, 'I21.9', -0.02, 0.050, false),
    (9, 313217, 'I48.9', -0.03, 0.110, true),
    (10, 316139, 'I50.9', -0.03, 0.080, true),
    (11, 381316, 'I63.9', -0.02, 0.060, false),
    (12, 432867, 'E78.5', 0.020, 0.400, true),
    (13, 440383, 'F32.9', 0.090, 0.070, false),
    (14, 80180, 'M19.9', -0.05, 0.350, true)
) AS known (number, concept_id, code, at_20, at_80, chronic)
CROSS JOIN LATERAL (
    SELECT greatest(born_by, DATE '2012-01-01' + (pg_temp.draw(person_id, 20 + known.number) * 4600)::integer)
) AS beginning (started)
CROSS JOIN LATERAL generate_series(
    0, CASE WHEN pg_temp.draw(person_id, 60 + known.number) < 0.2 THEN 1 ELSE 0 END
) AS again
WHERE pg_temp.draw(person_id, known.concept_id) < at_20 + (at_80 - at_20) * (age - 20) / 60.0;

-- A condition that four persons have, however many persons there are: too few for any answer.
INSERT INTO omop.condition_occurrence
    (condition_occurrence_id, person_id, condition_concept_id, condition_start_date, condition_type_concept_id,
     condition_source_value, condition_source_concept_id)
SELECT person_id * 64 + 60, person_id, 441267, make_date(year_of_birth, 12, 31), 32817, 'E84.9', 0
FROM omop.person
WHERE person_id IN (7, 77, 177, 777);

ALTER TABLE omop.condition_occurrence ADD PRIMARY KEY (condition_occurrence_id);
CREATE INDEX ON omop.condition_occurrence (person_id);
CREATE INDEX ON omop.condition_occurrence (condition_concept_id);
ANALYZE omop.condition_occurrence;

-- What is prescribed for what, and how often.
INSERT INTO omop.drug_exposure
SELECT
    condition_occurrence_id * 4 + used.number,
    person_id,
    used.drug_concept_id,
    condition_start_date + 1,
    condition_start_date + 1 + interval '10 hours',
    condition_start_date + used.days,
    NULL,
    NULL,
    32838,
    NULL,
    0,
    used.days,
    used.days,
    NULL,
    NULL,
    NULL,
    NULL,
    visit_occurrence_id,
    NULL,
    used.name,
    0,
    NULL,
    NULL
FROM omop.condition_occurrence
JOIN (VALUES
    (201826, 0, 1503297, 'metformin', 0.75, 90),
    (201826, 1, 1502905, 'insulin glargine', 0.15, 90),
    (201254, 0, 1502905, 'insulin glargine', 0.95, 90),
    (317009, 0, 1154343, 'albuterol', 0.70, 30),
    (255573, 0, 1154343, 'albuterol', 0.60, 30),
    (255848, 0, 1713332, 'amoxicillin', 0.65, 7),
    (37311061, 0, 1125315, 'acetaminophen', 0.40, 5),
    (320128, 0, 1308216, 'lisinopril', 0.45, 90),
    (320128, 1, 1332418, 'amlodipine', 0.35, 90),
    (312327, 0, 1112807, 'aspirin', 0.85, 90),
    (313217, 0, 1310149, 'warfarin', 0.40, 90),
    (432867, 0, 1545958, 'atorvastatin', 0.60, 90),
    (80180, 0, 1177480, 'ibuprofen', 0.40, 14)
) AS used (condition_concept_id, number, drug_concept_id, name, share, days) USING (condition_concept_id)
WHERE pg_temp.draw(condition_occurrence_id, used.drug_concept_id) < used.share;

ALTER TABLE omop.drug_exposure ADD PRIMARY KEY (drug_exposure_id);
CREATE INDEX ON omop.drug_exposure (person_id);
CREATE INDEX ON omop.drug_exposure (drug_concept_id);
ANALYZE omop.drug_exposure;
