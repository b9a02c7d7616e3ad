"""What is generated from the schemas and `sql/` for people and tools to read; see `docs/`.

`python -m transforms.docs` writes the data dictionary, the ER diagram as text and as a picture, and
dbt's `sources.yml`; with `--check` it writes nothing and fails when one of them is not what the
schemas and the SQL say. Nothing of the pipeline needs this package.
"""
