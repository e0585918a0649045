"""The same pipelines and the same readers on a Spark cluster; see docs/engines.md.

Spark writes Parquet files below the lake, and this process alone commits them to the Delta tables.
"""
