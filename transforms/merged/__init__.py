"""Merged files: many small batches of a month in one Parquet file a table, and the way back.

A batch stays what its marker says. Where its rows lie is told by a second kind of marker, that of a
compaction: `marker`. Its rows come back as they were: `rows`. How they are put together: `merge`;
how merged files take the place of the batches' own, and how that is undone: `swap`.
"""
