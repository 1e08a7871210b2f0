"""How urgent a request is: 1 goes first, 9 last."""

from __future__ import annotations

HIGHEST, DEFAULT, LOWEST = 1, 5, 9
