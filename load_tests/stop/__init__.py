"""SIGTERM under load: what was accepted is answered."""
