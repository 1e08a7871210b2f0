"""Where snapshots are kept over a restart, and how servers agree on who runs which session."""
