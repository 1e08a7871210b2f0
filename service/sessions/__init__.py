"""A client's stream: its state between its steps, in order, for as long as it is wanted."""
