"""The data sets, one loader each, NumPy only; NOTICE.md names every source and licence."""
