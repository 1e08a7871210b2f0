"""A model is replaced again and again while it is asked: every answer is that of one version."""
