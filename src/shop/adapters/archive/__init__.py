"""Backups as sealed files."""
