"""The same question as each door wants it asked."""

from __future__ import annotations

import json
from typing import Any

DOORS = {"predict": "/predict/{}", "infer": "/v2/models/{}/infer"}


def body_of(door: str, sequence: str, shape: tuple[int, ...], model: str = "sums") -> bytes:
    """One sequence as JSON text, declared as of `shape` where the door wants to know."""
    if door == "predict":
        return b'{"sequence": %s}' % sequence.encode()
    datatype = "INT32" if model == "letters" else "FP32"
    tensor = {"name": "sequence", "shape": [1, *shape], "datatype": datatype, "data": "here"}
    return json.dumps({"inputs": [tensor]}).replace('"here"', f"[{sequence}]").encode()


FINE = {door: body_of(door, "[[1, 2]]", (1, 2)) for door in DOORS}


def with_timeout(door: str, limit: Any) -> dict[str, Any]:
    """A fine question with a time limit in the door's own field and unit."""
    body: dict[str, Any] = json.loads(FINE[door])
    return body | ({"timeout_ms": limit} if door == "predict" else {"parameters": {"timeout": limit}})
