"""The engine: runs `pipelines/*.sql` over the lake."""
