"""Simpler methods, computed on the same data: what a bundle's figure is compared with."""
