"""Who may ask, and how much: callers, their roles and their limits; knows neither HTTP nor gRPC."""
