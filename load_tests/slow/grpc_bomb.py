"""A message that unpacks to more than the server takes, over gRPC."""

from __future__ import annotations

import grpc

from load_tests.address import Address
from service.api.grpc.messages import SERVICE

_BYTES = 1 << 28


async def grpc_bomb(address: Address) -> str:
    """The status that it is refused with."""
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(
        address.host_header, options, compression=grpc.Compression.Gzip
    ) as channel:
        try:
            await channel.unary_unary(f"/{SERVICE}/ModelInfer")(b"\x3a" + b" " * _BYTES)
        except grpc.aio.AioRpcError as failure:
            return str(failure.code().name)
    return "answered"
