"""The doors: they translate between a wire format and the predictor, and decide nothing."""
