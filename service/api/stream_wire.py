"""The frames of one WebSocket, without a socket: whole messages out of bytes, and bytes out of messages."""

from __future__ import annotations

from starlette.types import Message
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

_NOT_UTF_8 = 1007


class StreamWire:
    """`end` is the close code once no more messages come: the client's, or that of its fault, or our own."""

    def __init__(self, message_bytes: int) -> None:
        self._frames = Protocol(Side.SERVER, max_size=message_bytes)
        # The beginning of a message that comes in several frames.
        self._begun, self._is_text = bytearray(), False
        self._messages: list[Message] = []
        self.end: int | None = None
        # Whether the connection may be closed: the client has said farewell, or is at fault, and cannot be
        # understood.
        self.is_over = False
        self.is_at_fault = False
        self.last_frames = 0

    @property
    def is_parting(self) -> bool:
        """Whether a farewell has been said on this side."""
        return self._frames.close_sent is not None

    def take(self, data: bytes) -> list[Message]:
        """The messages that are whole with these bytes, which `last_frames` frames ended in."""
        self._frames.receive_data(data)
        events = self._frames.events_received()
        self.last_frames = len(events)
        for event in events:
            if isinstance(event, Frame):
                self._frame(event)
        if self._frames.parser_exc is not None and self._frames.close_sent is not None:
            self.is_at_fault = True
            self._finish(self._frames.close_sent.code)
        messages, self._messages = self._messages, []
        return messages

    def take_end(self) -> None:
        self._frames.receive_eof()

    def say(self, message: Message) -> None:
        """Raises ConnectionResetError behind a farewell."""
        content = message.get("bytes")
        try:
            if content is None:
                self._frames.send_text(message["text"].encode())
            else:
                self._frames.send_binary(content)
        except InvalidState:
            raise ConnectionResetError from None

    def say_farewell(self, code: int, reason: str) -> None:
        self._frames.send_close(code, reason)
        self.end = code

    def ping(self) -> None:
        if not self.is_parting:
            self._frames.send_ping(b"")

    def due(self) -> bytes:
        """What is to be written; the library's end of stream is an empty part of it."""
        return b"".join(self._frames.data_to_send())

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE and self._frames.close_rcvd is not None:
            self._finish(self._frames.close_rcvd.code)
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT} and self.end is None:
            self._part_of_message(frame)

    def _part_of_message(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self._message(bytes(frame.data))
                return
            self._begun = bytearray()
        self._begun += frame.data
        if frame.fin:
            content, self._begun = bytes(self._begun), bytearray()
            self._message(content)

    def _message(self, content: bytes) -> None:
        if not self._is_text:
            self._messages.append({"type": "websocket.receive", "bytes": content})
            return
        try:
            self._messages.append({"type": "websocket.receive", "text": content.decode()})
        except UnicodeDecodeError:
            self.is_at_fault = True
            self._frames.fail(_NOT_UTF_8)
            self._finish(_NOT_UTF_8)

    def _finish(self, code: int) -> None:
        self.is_over = True
        if self.end is None:
            self.end = code
