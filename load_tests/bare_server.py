"""`python -m load_tests.bare_server`: the least a uvicorn server can do, as the floor to compare with."""

from __future__ import annotations

from typing import Annotated

import typer
import uvicorn
from starlette.types import Message, Receive, Scope, Send


class BareApp:
    """An ASGI application that reads a body and answers a fixed number of bytes, whatever is asked."""

    def __init__(self, answer_bytes: int) -> None:
        body = b" " * answer_bytes
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        self._start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
        self._body: Message = {"type": "http.response.body", "body": body}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await send(self._start)
        await send(self._body)


def main(
    port: Annotated[int, typer.Option(help="Loopback port to listen on.")],
    answer_bytes: Annotated[int, typer.Option(help="Size of every answer's body.")],
) -> None:
    """Serve with the same event loop, parser and header options as the real server."""
    uvicorn.run(
        BareApp(answer_bytes),
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    typer.run(main)
