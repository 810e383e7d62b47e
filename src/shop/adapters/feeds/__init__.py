"""Readers of other shops' product files."""
