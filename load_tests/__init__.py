"""Measures a server from outside, beside a bare one, its scheduler beside padding, engines beside engines."""
