"""tritonclient against a live server: its calls block, so they have a thread and a client of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from live_server import LiveServer
from tritonclient.http import InferenceServerClient, InferInput

from service.domain.tensors import Array

Answer = TypeVar("Answer")

_LONGEST_WAIT_S = 20.0
_DATATYPES = {"f2": "FP16", "f4": "FP32", "f8": "FP64", "i4": "INT32", "i8": "INT64"}


async def talk(
    server: LiveServer, conversation: Callable[[InferenceServerClient], Answer], **settings: Any
) -> Answer:
    """What the conversation returns."""

    def with_client() -> Answer:
        host, port = server.address
        timeouts = {"connection_timeout": _LONGEST_WAIT_S, "network_timeout": _LONGEST_WAIT_S}
        with InferenceServerClient(f"{host}:{port}", **timeouts | settings) as client:
            return conversation(client)

    return await asyncio.to_thread(with_client)


def tensor(name: str, values: Array, is_binary: bool = True) -> InferInput:
    """An input as tritonclient sends it: as bytes, unless told otherwise."""
    infer_input = InferInput(name, list(values.shape), _DATATYPES[values.dtype.str[1:]])
    return infer_input.set_data_from_numpy(values, binary_data=is_binary)


def rows(count: int = 2, steps: int = 3) -> Array:
    """`sequence [batch, time, 2]` of numbers that all differ."""
    return np.arange(1, count * steps * 2 + 1, dtype=np.float32).reshape(count, steps, 2)
