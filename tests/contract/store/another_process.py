"""What tests start beside themselves: a command that writes to the same file, a server that is killed.

Called as `python -m tests.contract.store.another_process WORD DATABASE [ARGUMENTS]`.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from msgspec.structs import replace

from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.outcomes import Done, Redeemed, StoreUnavailable
from innkeeper.server.storage.sqlite import open_store
from tests.contract.store.builders import World, a_client


async def take_turns(database: str) -> None:
    """For every line on stdin, change the client's name to it; answer with the name found before."""
    store = open_store(database, role="command")
    for line in sys.stdin:
        client = await store.clients.get(ClientId("app"))
        assert client is not None
        assert await store.clients.replace(replace(client, name=line.strip()), events=()) == Done()
        print(client.name, flush=True)
    await store.close()


def write_at_once(database: str, first: str, number: str) -> None:
    """As many commands as `number`, each with its own store, all at once."""

    async def command(name: str) -> None:
        store = open_store(database, role="command")
        assert await store.clients.create(a_client(name), events=()) == Done()
        await store.close()

    names = [f"cli-{int(first) + offset}" for offset in range(int(number))]
    with ThreadPoolExecutor(len(names)) as threads:
        for run in [threads.submit(asyncio.run, command(name)) for name in names]:
            run.result()


async def redeem_until_killed(database: str) -> None:
    """Issues and redeems without end; prints the key of a code once its redemption was acknowledged."""
    store = open_store(database)
    world = await World(store).build()

    async def work() -> None:
        while True:
            code, grant = await world.issued()
            await world.redeem(code)
            print(code.key.hex(), grant.grant_id, flush=True)

    await asyncio.gather(*(work() for _ in range(16)))


async def meet_io_errors(database: str) -> None:
    """No file may grow any more, so that writing fails with EFBIG: an IO error to SQLite, and not a full disk."""
    store = open_store(database)
    world = await World(store).build()
    code, _ = await world.issued()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    runs = (world.issue(*world.authorization()) for _ in range(20))
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes), outcomes
    with suppress(StoreUnavailable):
        await store.probe()
        raise AssertionError("the probe did not notice")
    assert await store.codes.read(code.key) is not None
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.probe()
    assert await world.redeem(code) == Redeemed()
    assert await world.audit("code.issued") == 1
    print("recovered")
    await store.close()


async def serve(database: str) -> None:
    """Tries to become the serving process."""
    try:
        store = open_store(database)
    except StoreUnavailable as error:
        print(error)
        return
    print("serving", flush=True)
    sys.stdin.read()
    await store.close()


if __name__ == "__main__":
    word, *arguments = sys.argv[1:]
    if word == "take_turns":
        asyncio.run(take_turns(*arguments))
    elif word == "write_at_once":
        write_at_once(*arguments)
    elif word == "redeem_until_killed":
        asyncio.run(redeem_until_killed(*arguments))
    elif word == "meet_io_errors":
        asyncio.run(meet_io_errors(*arguments))
    elif word == "serve":
        asyncio.run(serve(*arguments))
