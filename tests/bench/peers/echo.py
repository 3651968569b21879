"""The limit of a warm request: takes events from the runtime API and answers with bytes made before, `ECHO_BYTES` of them, looking at nothing
but where a message ends. Bare sockets: what is left is the way there and back over loop-back, and this loop."""

from __future__ import annotations

import os
import re
import socket

LENGTH = re.compile(rb"content-length: (\d+)")
REQUEST_ID = re.compile(rb"lambda-runtime-aws-request-id: (\S+)")


def message(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of what comes next."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 20)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(LENGTH.search(head)[1])
    while len(body) < length:
        body += connection.recv(1 << 20)
    return head, body


def main() -> None:
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    answer = b"x" * int(os.environ["ECHO_BYTES"])
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        connection.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: here\r\n\r\n")
        head, _ = message(connection)
        request_id = REQUEST_ID.search(head)[1]
        connection.sendall(b"POST /2018-06-01/runtime/invocation/%b/response HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n%b"
                           % (request_id, len(answer), answer))
        message(connection)


if __name__ == "__main__":
    main()
