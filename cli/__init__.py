"""The `carousel` command: one file per command, the only code that knows both halves."""
