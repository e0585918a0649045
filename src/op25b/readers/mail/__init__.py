"""Readers of mail server logs."""
