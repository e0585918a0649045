"""Readers of flow records, one module a format; what they share is in common, fields, records, delimited, jsonlines."""
