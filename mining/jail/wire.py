"""How the client and the server talk: frames of JSON over one socket, each behind its length."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")


def send(channel: socket.socket, record: dict[str, Any]) -> None:
    """Send one frame; OSError where the other side has gone."""
    body = json.dumps(record).encode()
    channel.sendall(_LENGTH.pack(len(body)) + body)


def receive(channel: socket.socket) -> dict[str, Any]:
    """Wait for one frame; EOFError where the other side has gone, TimeoutError after the socket's timeout."""
    size = _LENGTH.unpack(_exactly(channel, _LENGTH.size))[0]
    record: dict[str, Any] = json.loads(_exactly(channel, size))
    return record


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = channel.recv(min(size, 1 << 16))
        if not part:
            raise EOFError("the other side has closed the channel")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
