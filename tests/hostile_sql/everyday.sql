SELECT person_id FROM person

SELECT * FROM omop.person;

select P.Person_Id, p.GENDER_CONCEPT_ID from PERSON p where p.year_of_birth between 1940 and 1960

SELECT p."person_id" AS "Person", count(*) AS "n of visits"
FROM person p
JOIN visit_occurrence v USING (person_id)
GROUP BY 1

-- diabetics
SELECT DISTINCT co.person_id /* one row each */
FROM condition_occurrence co
JOIN concept_ancestor ca ON ca.descendant_concept_id = co.condition_concept_id
WHERE ca.ancestor_concept_id = 201826

SELECT DISTINCT person_id
FROM condition_occurrence
WHERE condition_concept_id IN (SELECT descendant_concept_id
FROM concept_ancestor
WHERE ancestor_concept_id IN (201820, 316866))

SELECT p.person_id FROM person p WHERE EXISTS (SELECT 1 FROM drug_exposure d WHERE d.person_id = p.person_id)

SELECT p.person_id
FROM person p
WHERE NOT EXISTS (SELECT 1
FROM visit_occurrence v
WHERE v.person_id = p.person_id)

SELECT person_id FROM person WHERE person_id NOT IN (SELECT person_id FROM measurement)

SELECT gender_concept_id, count(*)
FROM person
GROUP BY gender_concept_id
HAVING count(*) >= 10
ORDER BY 2 DESC, 1

SELECT person_id, extract(year
FROM age(DATE '2024-01-01', birth_datetime)) AS age
FROM person
WHERE birth_datetime IS NOT NULL

SELECT person_id, 2024 - year_of_birth AS age FROM person WHERE 2024 - year_of_birth >= 65

SELECT CASE WHEN year_of_birth < 1950 THEN 'old' WHEN year_of_birth < 2000 THEN 'middle' ELSE 'young' END AS band, count(*)
FROM person
GROUP BY 1

SELECT CASE gender_concept_id WHEN 8507 THEN 'M' WHEN 8532 THEN 'F' END, count(*) FROM person GROUP BY 1

SELECT date_trunc('month', visit_start_date) AS month, count(DISTINCT person_id)
FROM visit_occurrence
GROUP BY 1

SELECT date_trunc('quarter', visit_start_datetime)::date, count(*) FROM visit_occurrence GROUP BY 1

SELECT to_char(visit_start_date, 'YYYY-MM'), count(*) FROM visit_occurrence GROUP BY 1

SELECT date_part('dow', visit_start_date), count(*) FROM visit_occurrence GROUP BY 1

SELECT visit_occurrence_id, visit_end_date - visit_start_date AS days FROM visit_occurrence

SELECT person_id
FROM visit_occurrence
WHERE visit_start_date >= DATE '2020-01-01' AND visit_start_date < DATE '2020-01-01' + INTERVAL '1 year'

SELECT person_id FROM visit_occurrence WHERE visit_start_date > '2022-01-01'::date - interval '6 months'

SELECT person_id, visit_start_date + 30 AS due FROM visit_occurrence

SELECT person_id, visit_start_date + days * INTERVAL '1 day'
FROM visit_occurrence CROSS
JOIN (VALUES (7), (30)) AS w(days)

SELECT a.person_id
FROM condition_occurrence a
JOIN drug_exposure b ON a.person_id = b.person_id AND b.drug_exposure_start_date BETWEEN a.condition_start_date AND a.condition_start_date + 90

WITH diabetics AS (SELECT DISTINCT person_id
FROM condition_occurrence
WHERE condition_concept_id = 201826) SELECT p.gender_concept_id, count(*) AS n
FROM diabetics d
JOIN person p ON p.person_id = d.person_id
GROUP BY 1

WITH a AS (SELECT person_id
FROM person
WHERE year_of_birth < 1960), b AS (SELECT person_id
FROM a
WHERE person_id % 2 = 0) SELECT count(*)
FROM b

WITH a(id) AS (SELECT person_id FROM person) SELECT a.id FROM a WHERE a.id < 50

WITH person AS (SELECT person_id AS x FROM omop.person WHERE person_id < 9) SELECT x FROM person

WITH m AS MATERIALIZED (SELECT person_id FROM measurement) SELECT count(*) FROM m

WITH m AS NOT MATERIALIZED (SELECT person_id FROM measurement) SELECT count(*) FROM m

WITH RECURSIVE years(y) AS (SELECT 2015
UNION ALL SELECT y + 1
FROM years
WHERE y < 2024) SELECT y, count(v.person_id)
FROM years
LEFT JOIN visit_occurrence v ON extract(year
FROM v.visit_start_date) = y
GROUP BY y

WITH RECURSIVE down AS (SELECT descendant_concept_id AS c
FROM concept_ancestor
WHERE ancestor_concept_id = 201820
UNION SELECT ca.descendant_concept_id
FROM concept_ancestor ca
JOIN down ON down.c = ca.ancestor_concept_id) SELECT c
FROM down

SELECT * FROM (WITH x AS (SELECT person_id
FROM person) SELECT person_id
FROM x
WHERE person_id < 20) inner_query

SELECT person_id, row_number() OVER (PARTITION BY person_id
ORDER BY visit_start_date, visit_occurrence_id) AS rn
FROM visit_occurrence

SELECT person_id FROM (SELECT person_id, rank() OVER (PARTITION BY person_id
ORDER BY condition_start_date, condition_occurrence_id) AS r
FROM condition_occurrence) t
WHERE t.r = 1

SELECT person_id, measurement_date, lag(value_as_number) OVER w AS before, lead(value_as_number, 1, 0.0) OVER w
FROM measurement
WINDOW w AS (PARTITION BY person_id
ORDER BY measurement_date, measurement_id)

SELECT person_id, avg(value_as_number) OVER (PARTITION BY person_id
ORDER BY measurement_date, measurement_id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
FROM measurement

SELECT person_id, sum(days_supply) OVER (PARTITION BY person_id
ORDER BY drug_exposure_start_date RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
FROM drug_exposure

SELECT first_value(visit_start_date) OVER (PARTITION BY person_id
ORDER BY visit_start_date)
FROM visit_occurrence

SELECT ntile(4) OVER (ORDER BY year_of_birth, person_id), person_id FROM person

SELECT percent_rank() OVER (ORDER BY year_of_birth), cume_dist() OVER (ORDER BY year_of_birth), dense_rank() OVER (ORDER BY year_of_birth)
FROM person

SELECT measurement_concept_id, count(*), avg(value_as_number), stddev(value_as_number), min(value_as_number), max(value_as_number)
FROM measurement
GROUP BY 1

SELECT round(avg(value_as_number), 2), variance(value_as_number), var_pop(value_as_number) FROM measurement

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value_as_number) FROM measurement

SELECT percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY value_as_number) FROM measurement

SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY days_supply DESC) FROM drug_exposure

SELECT mode() WITHIN GROUP (ORDER BY gender_concept_id) FROM person

SELECT count(*) FILTER (WHERE gender_concept_id = 8507) AS men, count(*) FILTER (WHERE gender_concept_id = 8532) AS women
FROM person

SELECT gender_concept_id, race_concept_id, count(*), grouping(gender_concept_id)
FROM person
GROUP BY GROUPING SETS ((gender_concept_id, race_concept_id), (gender_concept_id), ())

SELECT gender_concept_id, race_concept_id, count(*)
FROM person
GROUP BY ROLLUP (gender_concept_id, race_concept_id)

SELECT gender_concept_id, race_concept_id, count(*)
FROM person
GROUP BY CUBE (gender_concept_id, race_concept_id)

SELECT DISTINCT ON (person_id) person_id, visit_start_date
FROM visit_occurrence
ORDER BY person_id, visit_start_date DESC NULLS LAST

SELECT p.person_id, last.visit_start_date
FROM person p
LEFT JOIN LATERAL (SELECT v.visit_start_date
FROM visit_occurrence v
WHERE v.person_id = p.person_id
ORDER BY v.visit_start_date DESC LIMIT 1) AS last ON true

SELECT p.person_id, x.n
FROM person p, LATERAL (SELECT count(*) AS n
FROM measurement m
WHERE m.person_id = p.person_id) x
WHERE x.n > 3

SELECT person_id FROM condition_occurrence UNION SELECT person_id FROM drug_exposure

SELECT person_id
FROM person
INTERSECT SELECT person_id
FROM measurement
EXCEPT SELECT person_id
FROM drug_exposure

SELECT person_id
FROM person
UNION ALL (SELECT person_id
FROM measurement
ORDER BY measurement_id LIMIT 5)
ORDER BY 1

SELECT person_id FROM person EXCEPT ALL SELECT person_id FROM drug_exposure

SELECT person_id FROM person ORDER BY year_of_birth DESC, person_id LIMIT 10 OFFSET 5

SELECT person_id FROM person ORDER BY person_id OFFSET 2 ROWS FETCH FIRST 3 ROWS ONLY

SELECT year_of_birth FROM person ORDER BY year_of_birth FETCH FIRST 3 ROWS WITH TIES

SELECT upper(left(gender_source_value, 1)) || '-' || lower(race_source_value) FROM person

SELECT trim(both ' '
FROM race_source_value), length(race_source_value), replace(race_source_value, 'W', 'w'), substring(race_source_value FROM 1 FOR 2), position('i' IN race_source_value), coalesce(race_source_value, '?')
FROM person

SELECT concat(race_source_value, ':', gender_source_value), concat_ws('/', race_source_value, gender_source_value), initcap(race_source_value), lpad(gender_source_value, 3, '*'), split_part(race_source_value, 'i', 1)
FROM person

SELECT concept_id FROM concept WHERE concept_name ILIKE '%diabetes%' OR concept_name LIKE 'Type!_%' ESCAPE '!'

SELECT concept_id FROM concept WHERE concept_name ~* '^type [12]' AND concept_code !~ '[^0-9]'

SELECT concept_id FROM concept WHERE concept_code ~ '^\d+$'

SELECT concept_id FROM concept WHERE concept_name SIMILAR TO '%(diabetes|hypertension)%'

SELECT regexp_replace(concept_name, '[aeiou]', '', 'g'), strpos(concept_name, 'e') FROM concept

SELECT c.concept_name, count(DISTINCT co.person_id) AS persons
FROM condition_occurrence co
INNER JOIN concept c ON c.concept_id = co.condition_concept_id
GROUP BY c.concept_name
ORDER BY persons DESC, c.concept_name LIMIT 5

SELECT p.person_id, v.visit_occurrence_id
FROM person p FULL OUTER
JOIN visit_occurrence v ON p.person_id = v.person_id

SELECT * FROM person NATURAL JOIN observation_period

SELECT p.*, v.visit_start_date FROM person AS p RIGHT JOIN visit_occurrence AS v USING (person_id)

SELECT a.person_id FROM (person a
JOIN observation_period b ON a.person_id = b.person_id)
JOIN visit_occurrence c ON c.person_id = a.person_id

SELECT person_id
FROM observation_period
WHERE (observation_period_start_date, observation_period_end_date) OVERLAPS (DATE '2020-01-01', DATE '2020-12-31')

SELECT person_id FROM person WHERE (gender_concept_id, race_concept_id) IN ((8507, 8527), (8532, 8516))

SELECT person_id FROM person WHERE year_of_birth = ANY (ARRAY[1950, 1960, 1970])

SELECT person_id FROM person WHERE year_of_birth > ALL (SELECT avg(year_of_birth) FROM person)

SELECT person_id FROM person WHERE year_of_birth IS DISTINCT FROM 1970 AND birth_datetime IS NULL

SELECT string_agg(DISTINCT gender_source_value, ','
ORDER BY gender_source_value), bool_or(birth_datetime IS NULL), array_agg(DISTINCT gender_concept_id)
FROM person

SELECT d::date, count(v.visit_occurrence_id)
FROM generate_series(DATE '2022-01-01', DATE '2022-03-01', INTERVAL '1 week') AS d
LEFT JOIN visit_occurrence v ON v.visit_start_date = d::date
GROUP BY d

SELECT s.n, count(*) FROM generate_series(0, 9) AS s(n) JOIN person p ON p.person_id % 10 = s.n GROUP BY s.n

SELECT u.c, count(*)
FROM unnest(ARRAY[201826, 316866]) AS u(c)
JOIN condition_occurrence co ON co.condition_concept_id = u.c
GROUP BY u.c

SELECT t.x, t.n FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY AS t(x, n)

SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, 'y')) AS v(a, b)

SELECT CAST(year_of_birth AS numeric(6, 1)) / 3, year_of_birth / 3, year_of_birth / 3.0, year_of_birth % 7, -year_of_birth, power(2, 3), mod(year_of_birth, 5), year_of_birth::text, year_of_birth::float8
FROM person

SELECT floor(value_as_number), ceil(value_as_number), abs(value_as_number), sqrt(abs(value_as_number)), ln(1 + abs(value_as_number)), sign(value_as_number), trunc(value_as_number, 1), width_bucket(value_as_number, 0, 200, 10), greatest(value_as_number, 5), least(value_as_number, 5), nullif(value_as_number, 0)
FROM measurement

SELECT corr(year_of_birth, person_id), regr_slope(year_of_birth, person_id) FROM person

SELECT a.measurement_date, a.measurement_date AT TIME ZONE 'UTC' FROM measurement a

SELECT make_date(year_of_birth, coalesce(month_of_birth, 7), 1), make_interval(years => 5) FROM person

SELECT DISTINCT i.accession_id
FROM image_occurrence i
JOIN person p USING (person_id)
WHERE p.gender_concept_id = 8507

SELECT i.person_id, i.accession_id
FROM image_occurrence AS i
WHERE i.modality = 'CT' AND i.image_occurrence_date >= '2019-01-01'
ORDER BY i.image_occurrence_date, i.image_occurrence_id

SELECT q.count, q.max FROM (SELECT count(*), max(year_of_birth) FROM person) q

SELECT person_id, (SELECT count(*)
FROM visit_occurrence v
WHERE v.person_id = p.person_id) AS visits
FROM person p

SELECT omop.person.person_id FROM omop.person WHERE omop.person.year_of_birth = 1970

SELECT person_id
FROM person
WHERE NOT (gender_concept_id = 8507 OR year_of_birth < 1950) AND birth_datetime IS NULL IS NOT TRUE

SELECT 'it''s' AS "a ""b""", 'ümläut' AS t, 'back\slash' AS s, '100%' AS p, 1.5e3 AS e, .5 AS f, true AS y

SELECT array_length(string_to_array(concept_name, ' '), 1), (string_to_array(concept_name, ' '))[1]
FROM concept

SELECT isfinite(visit_start_date), justify_days(INTERVAL '40 days'), age(visit_end_date, visit_start_date)
FROM visit_occurrence

SELECT -2 - -3, 2-1, 7-(-3), 5 - - 2, NOT true AND false, 1 + 2 * 3 = 7, 'a' || 1 + 2, 3 > 2 IS TRUE
