"""The inference server: sequences in, answers out, batched by measured cost."""
