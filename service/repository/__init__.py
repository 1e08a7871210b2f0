"""Bundles on disk, and the versions in service."""
