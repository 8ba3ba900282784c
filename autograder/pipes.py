"""Small messages between trusted processes: JSON over Unix sockets, with file descriptors."""

from __future__ import annotations

import json
import socket
import struct
import sys
from typing import Any

LENGTH = struct.Struct("!I")
# Sequenced packets keep messages apart and say when the other side is gone; macOS lacks them.
PACKETS = socket.SOCK_SEQPACKET if sys.platform.startswith("linux") else socket.SOCK_DGRAM
MAX_PACKET = 150_000


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a socket that keeps messages apart."""
    return socket.socketpair(socket.AF_UNIX, PACKETS)


def send_packet(to: socket.socket, message: Any, *files: int) -> None:
    """Send one JSON message with open files. Raises ValueError when it is too large."""
    data = json.dumps(message).encode()
    if len(data) > MAX_PACKET:
        raise ValueError(f"a request of {len(data)} bytes is too large: pass fewer paths")
    socket.send_fds(to, [data], list(files))


def receive_packet(source: socket.socket, files: int) -> tuple[Any, list[int]]:
    """One JSON message and up to ``files`` open files. Raises EOFError when the sender is gone."""
    data, found, _, _ = socket.recv_fds(source, MAX_PACKET, files)
    if not data:
        raise EOFError("the other process is gone")
    return json.loads(data), list(found)


class Channel:
    """A two-way stream of JSON messages between a judge and the process that asked for it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def send(self, message: Any) -> None:
        """Send one message. Raises OSError when the other side is gone."""
        data = json.dumps(message).encode()
        self.socket.sendall(LENGTH.pack(len(data)) + data)

    def receive(self, timeout: float | None = None) -> Any:
        """The next message. Raises EOFError when the other side is gone, TimeoutError."""
        self.socket.settimeout(timeout)
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        self.socket.settimeout(None)
        return json.loads(self._exactly(length))

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(min(count - len(parts), 1 << 20))
            if not part:
                raise EOFError("the other process is gone")
            parts += part
        return bytes(parts)

    def fileno(self) -> int:
        """For select and selectors."""
        return self.socket.fileno()

    def close(self) -> None:
        """Say goodbye: the other side's next receive raises EOFError."""
        self.socket.close()
