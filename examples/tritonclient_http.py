"""Two sequences of different length in one request:  python examples/tritonclient_http.py localhost:8000."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput

UTTERANCE = np.loadtxt(Path(__file__).with_name("utterance.csv"), delimiter=",", dtype=np.float32)


def tensor(name: str, values: np.ndarray, datatype: str) -> InferInput:
    return InferInput(name, list(values.shape), datatype).set_data_from_numpy(values)


def main(server: str) -> None:
    # Rows are padded to the longest; what is past a row's length is read by nobody.
    lengths = np.array([len(UTTERANCE), 5], np.int32)
    inputs = [
        tensor("sequence", np.stack([UTTERANCE, UTTERANCE]), "FP32"),
        tensor("lengths", lengths, "INT32"),
    ]
    with InferenceServerClient(server) as client:
        answer = client.infer("vowels", inputs, request_id="two-rows", timeout=5_000_000)
    for steps, probabilities in zip(lengths, answer.as_numpy("output"), strict=True):
        print(f"{steps:3} steps: class {probabilities.argmax()} ({probabilities.max():.3f})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:8000")
