"""Bodies that were right once: bytes and values of them changed at random."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

_ODD = st.sampled_from(
    [
        *(None, True, -1, 0, 1.5, 2**31, 2**63, 2**64, -(2**63), 1e39, 1e308),
        *("", "FP32", "x" * 2000, "\x00", "ß🎠"),
        *([], {}, [[]], [None], [[1, 2], [3]], {"name": "sequence"}, [0] * 40),
    ]
)


@st.composite
def changed_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """One to four places overwritten, cut out, doubled or filled with noise."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 12)))
        noise = draw(st.sampled_from([b"", body[start:end] * 2]) | st.binary(max_size=6))
        body = body[:start] + noise + body[end:]
    return body


@st.composite
def changed_values(draw: st.DrawFn, body: dict[str, Any]) -> bytes:
    """One to three values, anywhere in the JSON, replaced, left out or given twice."""
    changed = json.loads(json.dumps(body))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(changed))
        if not places:
            break
        owner, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replaced", "left out", "twice"]))
        if how == "replaced":
            # A copy: what is changed next may be inside it.
            owner[key] = copy.deepcopy(draw(_ODD))
        elif how == "left out":
            del owner[key]
        elif isinstance(owner, list):
            owner.append(owner[key])
        else:
            owner[f"{key}s"] = owner[key]
    return json.dumps(changed).encode()


def _places(value: Any) -> Any:
    keys: Any = ()
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        yield value, key
        yield from _places(value[key])
