"""The socket that the API is served on."""

import socket
import sys

import pytest

from caudal import server
from caudal.farewell import farewell


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes a port back")
def test_whoever_serves_after_a_farewell_has_the_same_port() -> None:
    with server.listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with farewell(listening):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)

        listening.listen(server.BACKLOG)  # as `serve` does
        assert listening.getsockname()[1] == port
        socket.create_connection(("127.0.0.1", port), timeout=1).close()


def test_a_port_that_is_taken_is_refused() -> None:
    with server.listen("127.0.0.1", 0) as taken, pytest.raises(server.PortTaken):
        server.listen("127.0.0.1", taken.getsockname()[1])
