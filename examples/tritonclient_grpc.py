"""One request, and then a stream of them:  python examples/tritonclient_grpc.py localhost:8001."""

from __future__ import annotations

import sys
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferResult

UTTERANCE = np.loadtxt(Path(__file__).with_name("utterance.csv"), delimiter=",", dtype=np.float32)


def one_row(steps: np.ndarray) -> list[InferInput]:
    return [InferInput("sequence", [1, *steps.shape], "FP32").set_data_from_numpy(steps[None])]


def told(answer: InferResult) -> str:
    (probabilities,) = answer.as_numpy("output")
    return f"class {probabilities.argmax()} ({probabilities.max():.3f})"


def main(server: str) -> None:
    with InferenceServerClient(server) as client:
        print("alone:   ", told(client.infer("vowels", one_row(UTTERANCE), client_timeout=5)))
        answers: SimpleQueue = SimpleQueue()
        client.start_stream(lambda result, error: answers.put((result, error)), stream_timeout=5)
        ends = range(5, len(UTTERANCE) + 1)
        for end in ends:
            client.async_stream_infer("vowels", one_row(UTTERANCE[:end]))
        # They come back in the order they were asked; a refused one does not end the stream.
        for end in ends:
            answer, error = answers.get(timeout=5)
            print(f"{end:3} steps:", error or told(answer))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:8001")
