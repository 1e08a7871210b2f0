"""Metrics and logs: what the server says about itself."""
