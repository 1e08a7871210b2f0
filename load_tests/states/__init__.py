"""States on the host and in the device's table, side by side on one GPU."""
