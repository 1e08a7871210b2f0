"""What runs a batch: one adapter per runtime, all behind the same four methods."""
