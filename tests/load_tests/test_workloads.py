"""What is sent: the lengths, the steps, and the bytes."""

from __future__ import annotations

import statistics

import numpy as np
import orjson
import pytest

from load_tests.address import Address
from load_tests.http_requests import predict_request, v2_request
from load_tests.lengths import exponential, uniform
from load_tests.model_input import NoSuchModel, model_input, read_model_input
from load_tests.workloads import W1, W2

_ADDRESS = Address("127.0.0.1", 1)


def _metadata(datatype, *step):
    inputs = [{"name": "lengths", "datatype": "INT32", "shape": [-1]}]
    return {
        "name": "m",
        "inputs": [*inputs, {"name": "sequence", "datatype": datatype, "shape": [-1, -1, *step]}],
    }


def _parsed(request):
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert f"Content-Length: {len(body)}" in lines
    return lines[0], orjson.loads(body)


def test_w1_has_twenty_steps_of_the_models_own_shape():
    sequences = W1.sequences(model_input(_metadata("FP32", 1, 8, 8)))
    assert {sequence.shape for sequence in sequences} == {(20, 1, 8, 8)}


def test_w2_is_mostly_short_and_never_longer_than_its_cap():
    lengths = [len(sequence) for sequence in W2.sequences(model_input(_metadata("FP32", 2)))]
    assert 20 <= statistics.median(lengths) <= 28
    assert min(lengths) >= 1
    assert 150 < max(lengths) <= 330


def test_every_run_sends_the_same():
    expected = model_input(_metadata("FP32", 2))
    for first, second in zip(W2.sequences(expected), W2.sequences(expected), strict=True):
        assert np.array_equal(first, second)


def test_steps_that_are_symbols_are_ids_every_alphabet_has():
    sequences = W2.sequences(model_input(_metadata("INT32")))
    assert {int(symbol) for sequence in sequences for symbol in sequence} == {0, 1}


def test_traces_have_the_means_of_their_distributions():
    random = np.random.default_rng(3)
    assert 118 < statistics.mean(uniform(random, 2000)) < 139
    assert 57 < statistics.mean(exponential(random, 2000)) < 68


def test_predict_is_asked_with_nested_lists():
    expected = model_input(_metadata("FP32", 2))
    line, body = _parsed(predict_request(_ADDRESS, expected, np.array([[1.0, 2.0], [3.0, 4.5]])))
    assert line == "POST /predict/m HTTP/1.1"
    assert body == {"sequence": [[1.0, 2.0], [3.0, 4.5]]}


def test_v2_is_asked_with_flat_data_and_a_shape():
    expected = model_input(_metadata("FP32", 2))
    line, body = _parsed(v2_request(_ADDRESS, expected, np.array([[1.0, 2.0], [3.0, 4.5]])))
    tensor = {"name": "sequence", "datatype": "FP32", "shape": [1, 2, 2], "data": [1.0, 2.0, 3.0, 4.5]}
    assert line == "POST /v2/models/m/infer HTTP/1.1"
    assert body == {"inputs": [tensor]}


def test_a_server_that_does_not_answer_is_named():
    with pytest.raises(NoSuchModel, match=r"http://127\.0\.0\.1:1/v2/models/m: no answer"):
        read_model_input(_ADDRESS, "m")
