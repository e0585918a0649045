"""Readers of lease logs: who held which address, or which part of one, from when until when."""
