"""The one refusal of everything that turns a bundle's graph into a plan."""

from __future__ import annotations

from service.errors import NotServable


class PlanRefused(NotServable):
    """No plan for this graph on this route and in this precision; the CPU engine still serves it."""

    reason = "plan_refused"
