"""Whole HTTP requests as bytes, made before the clock starts."""

from __future__ import annotations

import orjson

from load_tests.address import Address
from load_tests.model_input import ModelInput
from service.domain.tensors import Array


def predict_request(address: Address, expected: ModelInput, sequence: Array) -> bytes:
    """`POST /predict/{model}` with one sequence as nested lists."""
    return post(address, predict_path(expected), predict_body(sequence))


def predict_path(expected: ModelInput) -> str:
    return f"/predict/{expected.model}"


def predict_body(sequence: Array) -> bytes:
    return orjson.dumps({"sequence": sequence.tolist()})


def v2_request(address: Address, expected: ModelInput, sequence: Array) -> bytes:
    """`POST /v2/models/{model}/infer` with one sequence as flat data."""
    tensor = {
        "name": "sequence",
        "datatype": expected.datatype,
        "shape": [1, *sequence.shape],
        "data": sequence.reshape(-1).tolist(),
    }
    return post(address, f"/v2/models/{expected.model}/infer", orjson.dumps({"inputs": [tensor]}))


def post(address: Address, path: str, body: bytes) -> bytes:
    """One POST of JSON over a connection that stays open."""
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: {address.host_header}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
