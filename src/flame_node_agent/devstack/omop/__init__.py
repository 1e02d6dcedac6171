"""A synthetic OMOP CDM 5.4 database: the patients of a trust that does not exist."""
