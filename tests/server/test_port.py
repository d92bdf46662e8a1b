"""A server's port stays its own while it does not listen, and on the way there."""

import socket

import pytest

from comfywire.server.port import Port


@pytest.fixture
def port():
    kept = Port("127.0.0.1", 0)
    yield kept
    kept.release()


def listening(port: Port) -> socket.socket:
    listener = port.listen()
    listener.listen()
    port.is_listened_to()
    return listener


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="the system lets nobody share a port")
def test_nobody_gets_the_port_between_listening_and_keeping_it(port):
    with listening(port):
        port.reserve()
        socket.create_connection(("127.0.0.1", port.number)).close()  # until it stops, it is who answers

    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port.number))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port.number))


def test_the_port_is_listened_to_again(port):
    for _ in range(3):
        with listening(port):
            socket.create_connection(("127.0.0.1", port.number)).close()
            port.reserve()
        port.must_be_reserved()


def test_two_do_not_listen_to_one_port(port):
    with listening(port), pytest.raises(OSError, match="in use"):
        Port("127.0.0.1", port.number).listen()
