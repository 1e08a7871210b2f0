"""Sends a spoken digit as it is heard, breaks off, and goes on:  python examples/stream.py localhost:8000."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

UTTERANCE = [
    [float(value) for value in line.split(",")]
    for line in Path(__file__).with_name("spoken_digit.csv").read_text().splitlines()
]


def asked(socket: ClientConnection, **message: Any) -> dict[str, Any]:
    """The answer to one message; a refusal says what was wrong."""
    socket.send(json.dumps(message))
    answer: dict[str, Any] = json.loads(socket.recv())
    if answer["type"] == "error":
        raise RuntimeError(answer["message"])
    return answer


def heard(socket: ClientConnection, first: int, last: int) -> None:
    """Numbered steps count once, however often they are sent."""
    for number in range(first, last + 1):
        answer = asked(socket, type="step", step=number, sequence=[UTTERANCE[number - 1]])
        probabilities = answer["outputs"][0]
        likeliest = max(range(10), key=probabilities.__getitem__)
        print(f"{number:3} steps: digit {likeliest} ({probabilities[likeliest]:.3f})")


def main(server: str) -> None:
    url = f"ws://{server}/v2/models/digits/stream"
    with connect(url) as socket:
        opened = asked(socket, type="open", resumable=True)
        heard(socket, 1, 6)
    # The connection is gone, the session is not: whoever has its token goes on where it was.
    with connect(url) as socket:
        reached = asked(socket, type="open", session=opened["session"], resume=opened["token"])["step"]
        print(f"back after step {reached}")
        heard(socket, reached + 1, len(UTTERANCE))
        asked(socket, type="close")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:8000")
