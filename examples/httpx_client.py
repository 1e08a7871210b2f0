"""Asks for the speakers of many utterances at once:  python examples/httpx_client.py localhost:8000."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx

UTTERANCE = [
    [float(value) for value in line.split(",")]
    for line in Path(__file__).with_name("utterance.csv").read_text().splitlines()
]


async def speaker(client: httpx.AsyncClient, steps: list[list[float]]) -> dict[str, Any]:
    """The answer to one sequence; a server that is busy says when to come back."""
    while True:
        answer = await client.post("/predict/vowels", json={"sequence": steps, "timeout_ms": 5000})
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            break
        await asyncio.sleep(float(answer.headers["retry-after"]))
    if answer.is_error:
        raise RuntimeError(answer.json()["error"])
    prediction: dict[str, Any] = answer.json()["predictions"][0]
    return prediction


async def main(server: str) -> None:
    # Requests that wait together share batches: send them at once, each sequence as long as it is.
    beginnings = [UTTERANCE[:steps] for steps in range(5, len(UTTERANCE) + 1)]
    async with httpx.AsyncClient(base_url=f"http://{server}") as client:
        answers = await asyncio.gather(*(speaker(client, steps) for steps in beginnings))
    for steps, answer in zip(beginnings, answers, strict=True):
        print(f"{len(steps):3} steps: {answer['label']} ({answer['probability']:.3f})")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:8000"))
