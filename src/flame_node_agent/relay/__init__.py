"""omop-relay: the one way from a trust without a way out to an OMOP database elsewhere in the house."""
