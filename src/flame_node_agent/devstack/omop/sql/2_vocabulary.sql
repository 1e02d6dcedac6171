-- A small part of the OMOP standardised vocabularies: the concepts that the synthetic data refers to.
INSERT INTO omop.concept
SELECT id, name, domain, vocabulary, class, 'S', code, DATE '1970-01-01', DATE '2099-12-31', NULL
FROM (VALUES
    (0, 'No matching concept', 'Metadata', 'None', 'Undefined', 'No matching concept'),
    (8507, 'MALE', 'Gender', 'Gender', 'Gender', 'M'),
    (8532, 'FEMALE', 'Gender', 'Gender', 'Gender', 'F'),
    (8527, 'White', 'Race', 'Race', 'Race', '5'),
    (8516, 'Black or African American', 'Race', 'Race', 'Race', '3'),
    (8515, 'Asian', 'Race', 'Race', 'Race', '2'),
    (38003563, 'Hispanic or Latino', 'Ethnicity', 'Ethnicity', 'Ethnicity', 'Hispanic'),
    (38003564, 'Not Hispanic or Latino', 'Ethnicity', 'Ethnicity', 'Ethnicity', 'Not Hispanic'),
    (9201, 'Inpatient Visit', 'Visit', 'Visit', 'Visit', 'IP'),
    (9202, 'Outpatient Visit', 'Visit', 'Visit', 'Visit', 'OP'),
    (9203, 'Emergency Room Visit', 'Visit', 'Visit', 'Visit', 'ER'),
    (32817, 'EHR', 'Type Concept', 'Type Concept', 'Type Concept', 'OMOP4976890'),
    (32838, 'EHR prescription', 'Type Concept', 'Type Concept', 'Type Concept', 'OMOP4976911'),
    (201820, 'Diabetes mellitus', 'Condition', 'SNOMED', 'Disorder', '73211009'),
    (201826, 'Type 2 diabetes mellitus', 'Condition', 'SNOMED', 'Disorder', '44054006'),
    (201254, 'Type 1 diabetes mellitus', 'Condition', 'SNOMED', 'Disorder', '46635009'),
    (320136, 'Disorder of respiratory system', 'Condition', 'SNOMED', 'Disorder', '50043002'),
    (257907, 'Disorder of lung', 'Condition', 'SNOMED', 'Disorder', '19829001'),
    (317009, 'Asthma', 'Condition', 'SNOMED', 'Disorder', '195967001'),
    (255573, 'Chronic obstructive lung disease', 'Condition', 'SNOMED', 'Disorder', '13645005'),
    (255848, 'Pneumonia', 'Condition', 'SNOMED', 'Disorder', '233604007'),
    (37311061, 'COVID-19', 'Condition', 'SNOMED', 'Disorder', '840539006'),
    (441267, 'Cystic fibrosis', 'Condition', 'SNOMED', 'Disorder', '190905008'),
    (316866, 'Hypertensive disorder', 'Condition', 'SNOMED', 'Disorder', '38341003'),
    (320128, 'Essential hypertension', 'Condition', 'SNOMED', 'Disorder', '59621000'),
    (4329847, 'Myocardial infarction', 'Condition', 'SNOMED', 'Disorder', '22298006'),
    (312327, 'Acute myocardial infarction', 'Condition', 'SNOMED', 'Disorder', '57054005'),
    (313217, 'Atrial fibrillation', 'Condition', 'SNOMED', 'Disorder', '49436004'),
    (316139, 'Heart failure', 'Condition', 'SNOMED', 'Disorder', '84114007'),
    (381316, 'Cerebrovascular accident', 'Condition', 'SNOMED', 'Disorder', '230690007'),
    (432867, 'Hyperlipidemia', 'Condition', 'SNOMED', 'Disorder', '55822004'),
    (440383, 'Depressive disorder', 'Condition', 'SNOMED', 'Disorder', '35489007'),
    (80180, 'Osteoarthritis', 'Condition', 'SNOMED', 'Disorder', '396275006'),
    (1503297, 'metformin', 'Drug', 'RxNorm', 'Ingredient', '6809'),
    (1502905, 'insulin glargine', 'Drug', 'RxNorm', 'Ingredient', '274783'),
    (1154343, 'albuterol', 'Drug', 'RxNorm', 'Ingredient', '435'),
    (1308216, 'lisinopril', 'Drug', 'RxNorm', 'Ingredient', '29046'),
    (1332418, 'amlodipine', 'Drug', 'RxNorm', 'Ingredient', '17767'),
    (1545958, 'atorvastatin', 'Drug', 'RxNorm', 'Ingredient', '83367'),
    (1310149, 'warfarin', 'Drug', 'RxNorm', 'Ingredient', '11289'),
    (1112807, 'aspirin', 'Drug', 'RxNorm', 'Ingredient', '1191'),
    (1713332, 'amoxicillin', 'Drug', 'RxNorm', 'Ingredient', '723'),
    (1125315, 'acetaminophen', 'Drug', 'RxNorm', 'Ingredient', '161'),
    (1177480, 'ibuprofen', 'Drug', 'RxNorm', 'Ingredient', '5640'),
    (3004249, 'Systolic blood pressure', 'Measurement', 'LOINC', 'Clinical Observation', '8480-6'),
    (3012888, 'Diastolic blood pressure', 'Measurement', 'LOINC', 'Clinical Observation', '8462-4'),
    (3038553, 'Body mass index (BMI) [Ratio]', 'Measurement', 'LOINC', 'Clinical Observation', '39156-5'),
    (3004410, 'Hemoglobin A1c/Hemoglobin.total in Blood', 'Measurement', 'LOINC', 'Lab Test', '4548-4'),
    (8554, 'percent', 'Unit', 'UCUM', 'Unit', '%'),
    (8876, 'millimeter mercury column', 'Unit', 'UCUM', 'Unit', 'mm[Hg]'),
    (9531, 'kilogram per square meter', 'Unit', 'UCUM', 'Unit', 'kg/m2'),
    (4300757, 'Computed tomography', 'Procedure', 'SNOMED', 'Procedure', '77477000'),
    (4013636, 'Magnetic resonance imaging', 'Procedure', 'SNOMED', 'Procedure', '113091000')
) AS known (id, name, domain, vocabulary, class, code);

INSERT INTO omop.concept_ancestor
SELECT concept_id, concept_id, 0, 0 FROM omop.concept WHERE concept_id <> 0;

INSERT INTO omop.concept_ancestor VALUES
    (201820, 201826, 1, 1),
    (201820, 201254, 1, 1),
    (320136, 257907, 1, 1),
    (320136, 317009, 1, 2),
    (320136, 255573, 2, 2),
    (320136, 255848, 2, 2),
    (257907, 255573, 1, 1),
    (257907, 255848, 1, 1),
    (316866, 320128, 1, 1),
    (4329847, 312327, 1, 1);

ALTER TABLE omop.concept ADD PRIMARY KEY (concept_id);
CREATE INDEX ON omop.concept (concept_code);
CREATE INDEX ON omop.concept_ancestor (ancestor_concept_id);
CREATE INDEX ON omop.concept_ancestor (descendant_concept_id);
ANALYZE omop.concept, omop.concept_ancestor;
