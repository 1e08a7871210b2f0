"""More requests than the server can answer: what is answered then, what is refused, and how truly."""
