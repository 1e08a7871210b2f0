"""The scheduler without HTTP, beside the ways of batching that it competes with."""
