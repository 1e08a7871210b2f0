"""What it costs that a killed server loses no step."""
