"""The demo's test servers: where they were, and if that cannot be, what was on them is lost at once."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.serving import asking

from comfywire.cli.operate.demo_servers import MEMORY, demo_servers
from comfywire.service.database.pool import Database

RESERVED: list[socket.socket] = []


@pytest.fixture(autouse=True)
def nobody_else_gets_their_ports() -> Iterator[None]:
    """The system gives a port that nobody has to any connection of any other test."""
    yield
    while RESERVED:
        RESERVED.pop().close()


def reserve(port: int) -> None:
    """Keep a port until the test ends, for those who ask for this very one: bound, and not listened to."""
    if sys.platform == "linux":  # elsewhere not even they would get it
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        RESERVED.append(own)
        own.bind(("127.0.0.1", port))


async def ports_of_a_start(data: Path, database: Database) -> tuple[int, ...]:
    async with demo_servers(data) as servers:
        await servers.settle(database)
        for url in servers.urls:
            insert = "INSERT INTO servers (url, state) VALUES (%(url)s, 'up') ON CONFLICT DO NOTHING"
            await database.do(insert, url=url)
    for port in servers.ports:
        reserve(port)
    return servers.ports


async def known(database: Database) -> set[int]:
    return {int(row["url"].rpartition(":")[2]) for row in await database.all("SELECT url FROM servers")}


async def test_they_are_at_the_same_addresses_at_the_next_start(tmp_path: Path, database: Database) -> None:
    first = await ports_of_a_start(tmp_path, database)

    async with demo_servers(tmp_path) as servers, asking() as client:
        answers = [(await client.get(f"{url}/queue")).status_code for url in servers.urls]

    assert (servers.ports, answers) == (first, [200, 200])


async def test_one_whose_port_is_taken_is_forgotten_for_another(tmp_path: Path, database: Database) -> None:
    taken, free = await ports_of_a_start(tmp_path, database)

    with socket.create_server(("127.0.0.1", taken)):
        other, same = await ports_of_a_start(tmp_path, database)

    assert (same, other != taken) == (free, True)
    assert await known(database) == {other, same}
    assert await ports_of_a_start(tmp_path, database) == (other, same)


async def test_those_of_another_process_on_the_same_data_are_left_alone(
    tmp_path: Path, database: Database
) -> None:
    first = await ports_of_a_start(tmp_path, database)

    async with demo_servers(tmp_path):
        second = await ports_of_a_start(tmp_path, database)

    assert not set(first) & set(second)
    assert await known(database) == {*first, *second}
    assert await ports_of_a_start(tmp_path, database) == first


async def test_a_memory_that_cannot_be_read_costs_nothing_but_the_addresses(
    tmp_path: Path, database: Database
) -> None:
    for content in ("{", "7", '["x", 0]', "[true, 99999]"):
        (tmp_path / MEMORY).write_text(content)

        assert len(set(await ports_of_a_start(tmp_path, database))) == 2
