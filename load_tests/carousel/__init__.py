"""What the carousel is for: many streams that step, and short sequences beside long ones."""
