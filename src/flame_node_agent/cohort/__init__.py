"""data-access-api: cohort queries on the trust's OMOP database, of which only safe aggregates leave."""
