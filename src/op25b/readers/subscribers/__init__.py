"""Readers of subscriber lists."""
