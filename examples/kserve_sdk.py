"""KServe's Python SDK, both ways:  python examples/kserve_sdk.py localhost:8000 localhost:8001."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

UTTERANCE = np.loadtxt(Path(__file__).with_name("utterance.csv"), delimiter=",", dtype=np.float32)


def question(*, is_binary: bool) -> InferRequest:
    sequence = InferInput("sequence", [1, *UTTERANCE.shape], "FP32")
    sequence.set_data_from_numpy(UTTERANCE[None], binary_data=is_binary)
    return InferRequest("vowels", [sequence], request_id="mine")


async def main(rest_server: str, grpc_server: str) -> None:
    rest, url = InferenceRESTClient(RESTConfig(protocol="v2")), f"http://{rest_server}"
    print("ready:", await rest.is_server_ready(url), await rest.is_model_ready(url, "vowels"))
    as_json = await rest.infer(url, question(is_binary=False), model_name="vowels")
    as_bytes = await rest.infer(url, question(is_binary=True), model_name="vowels")
    await rest.close()
    async with InferenceGRPCClient(grpc_server) as grpc:
        over_grpc = await grpc.infer(question(is_binary=True))
    for way, answer in (("JSON", as_json), ("bytes", as_bytes), ("gRPC", over_grpc)):
        (probabilities,) = answer.outputs[0].as_numpy()
        print(f"{way}: class {probabilities.argmax()} ({probabilities.max():.3f})")


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["localhost:8000", "localhost:8001"])))
