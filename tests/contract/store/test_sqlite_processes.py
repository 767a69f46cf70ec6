"""Several processes and one file: turns, commands beside a busy server, one server, sudden death."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from msgspec.structs import replace

from innkeeper.server.model.identifiers import ClientId, HandleKey
from innkeeper.server.storage.outcomes import Done, Replayed, StoreUnavailable
from innkeeper.server.storage.sqlite import SqliteStore, open_store
from tests.contract.store.builders import World, a_client

ROOT = Path(__file__).resolve().parents[3]


def another_process(word: str, database: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.store.another_process", word, str(database), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def pipes_of(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


async def test_two_processes_taking_turns_see_each_others_last_word(
    sqlite_world: World, database: Path
) -> None:
    clients = sqlite_world.store.clients
    with another_process("take_turns", database) as process:
        said, heard = pipes_of(process)
        ours = sqlite_world.client.name
        for turn in range(20):
            said.write(f"theirs {turn}\n")
            said.flush()
            assert await asyncio.to_thread(heard.readline) == f"{ours}\n"
            found = await clients.get(ClientId("app"))
            assert found is not None
            assert found.name == f"theirs {turn}"
            ours = f"ours {turn}"
            assert await clients.replace(replace(found, name=ours), events=()) == Done()
        said.close()
        assert await asyncio.to_thread(process.wait) == 0
    assert len(await sqlite_world.store.registry.changes_since(0)) == 2 + 40


async def test_a_commit_of_another_process_is_noticed_within_a_second_and_our_own_is_not(
    sqlite_world: World, database: Path
) -> None:
    store = sqlite_world.store
    assert isinstance(store, SqliteStore)
    noticed = asyncio.Event()
    store.on_foreign_commit(noticed.set)
    for _ in range(5):
        await store.clients.create(replace(sqlite_world.client, client_id=ClientId("ours")), events=())
        await asyncio.sleep(0.06)
    assert not noticed.is_set()
    command = open_store(database, role="command")
    await command.clients.create(replace(sqlite_world.client, client_id=ClientId("theirs")), events=())
    await asyncio.wait_for(noticed.wait(), 1)
    await command.close()
    assert await store.clients.get(ClientId("theirs")) is not None


async def test_fifty_commands_at_once_beside_a_busy_writer_all_succeed(
    sqlite_world: World, database: Path
) -> None:
    is_over = False

    async def be_busy() -> int:
        done = 0
        while not is_over:
            await sqlite_world.issued()
            done += 1
        return done

    busy = [asyncio.ensure_future(be_busy()) for _ in range(16)]
    processes = [another_process("write_at_once", database, str(first), "10") for first in range(0, 50, 10)]
    for process in processes:
        _, complaint = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, complaint
    is_over = True
    assert sum(await asyncio.gather(*busy)) > 0
    names = {client.client_id for client in await sqlite_world.store.clients.list()}
    assert names == {"app", *(f"cli-{number}" for number in range(50))}


async def test_a_second_serving_process_is_refused_with_the_reason(
    sqlite_store: SqliteStore, database: Path
) -> None:
    with another_process("serve", database) as process:
        answer, _ = await asyncio.to_thread(process.communicate)
    assert "already serves" in answer
    with pytest.raises(StoreUnavailable, match="already serves"):
        open_store(database)


async def test_the_file_is_free_again_when_its_server_was_killed(database: Path) -> None:
    with another_process("serve", database) as process:
        _, heard = pipes_of(process)
        assert await asyncio.to_thread(heard.readline) == "serving\n"
        with pytest.raises(StoreUnavailable, match=str(process.pid)):
            open_store(database)
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    store = open_store(database)
    await store.probe()
    await store.close()


async def test_everything_acknowledged_before_a_kill_is_there_after_it(database: Path) -> None:
    with another_process("redeem_until_killed", database) as process:
        _, heard = pipes_of(process)
        acknowledged = [await asyncio.to_thread(heard.readline) for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        rest, _ = await asyncio.to_thread(process.communicate)
    # The last line may have been cut in two by the kill.
    acknowledged += rest.splitlines(keepends=True)
    whole = [line.split() for line in acknowledged if line.endswith("\n")]
    store = open_store(database)
    await store.probe()
    world = World(store)
    for key, grant_id in whole:
        found = await store.codes.read(HandleKey(bytes.fromhex(key)))
        assert found is not None
        assert found.grant.grant_id == grant_id
        assert await world.redeem(found.code) == Replayed()
    assert len(whole) >= 300
    await store.close()


async def test_io_errors_fail_whole_batches_and_are_recovered_from(database: Path) -> None:
    with another_process("meet_io_errors", database) as process:
        answer, complaint = await asyncio.to_thread(process.communicate)
    assert answer == "recovered\n", complaint


HOLD_THE_CHECKPOINT = """
import fcntl, sys
with open(sys.argv[1] + "-shm", "r+b") as shared:
    fcntl.lockf(shared, fcntl.LOCK_EX, 1, 121)
    print("held", flush=True)
    sys.stdin.read()
"""


async def test_a_log_that_another_process_moves_right_now_is_no_failure(
    sqlite_store: SqliteStore, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await sqlite_store.clients.create(a_client("first"), events=())
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_CHECKPOINT, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        for number in range(70):
            await sqlite_store.clients.create(a_client(f"app-{number}"), events=())
        while not sqlite_store._handle._checkpointed_commits:
            await asyncio.sleep(0.01)
        await sqlite_store.probe()
    finally:
        other.communicate()
    assert caplog.records == []
