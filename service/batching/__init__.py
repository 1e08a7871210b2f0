"""Who runs together, and when."""
