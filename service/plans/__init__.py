"""TensorRT plans: what they are built for, how they are built from a bundle's graph, and their cache."""
