"""Recurrent nodes rewritten: the input projection of all steps first, then a loop over what remains."""

from service.plans.hoisting.rewrite import hoist_recurrences

__all__ = ["hoist_recurrences"]
