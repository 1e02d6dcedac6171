"""The two stores that hold the truth: S3 for bytes, PostgreSQL for state."""
