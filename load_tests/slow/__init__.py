"""Slow and hostile clients beside good ones: what these notice, and how those are ended."""
