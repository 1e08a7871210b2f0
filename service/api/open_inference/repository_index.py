"""Which model versions there are, in service or not, and why not."""

from __future__ import annotations

from service.repository.registry import Registry


def repository_index(registry: Registry, is_ready: bool, only_ready: bool = False) -> list[dict[str, str]]:
    """RepositoryIndex's entries as plain values; `is_ready` is the server's."""
    state, reason = ("READY", "") if is_ready else ("UNAVAILABLE", "the server is loading or draining")
    served = [_entry(model.manifest.name, model.manifest.version, state, reason) for model in registry.models]
    refused = []
    for key, failure in registry.failures.items():
        name, _, version = key.rpartition("/")
        refused.append(_entry(name, version, "UNAVAILABLE", failure))
    entries = sorted([*served, *refused], key=lambda entry: (entry["name"], int(entry["version"])))
    return [entry for entry in entries if entry["state"] == "READY" or not only_ready]


def _entry(name: str, version: str, state: str, reason: str) -> dict[str, str]:
    return {"name": name, "version": version, "state": state, "reason": reason}
