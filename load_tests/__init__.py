"""Measures a server from outside, its own cost beside a bare one, and its scheduler beside padding."""
