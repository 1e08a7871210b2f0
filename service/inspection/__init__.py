"""What the gates of a model did, step by step, for one sequence."""
