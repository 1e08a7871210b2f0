"""The vocabulary of the server: values over NumPy, no web framework and no runtime."""
