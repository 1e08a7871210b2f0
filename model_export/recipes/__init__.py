"""The bundled models' recipes, one file each, by bundle name."""
