"""A page for people: what is served, how good it is, how to ask."""
