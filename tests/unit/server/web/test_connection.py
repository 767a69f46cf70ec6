"""What uvicorn writes in pieces leaves in one."""

from __future__ import annotations

import asyncio
from typing import Any

from innkeeper.server.web.connection import OneSegment


class Heard:
    """A transport that remembers what was done with it."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


def one_segment(heard: Heard) -> OneSegment:
    return OneSegment(heard, asyncio.get_running_loop())  # type: ignore[arg-type]


async def test_head_and_body_leave_together_in_their_order() -> None:
    heard = Heard()
    transport = one_segment(heard)
    transport.write(b"head")
    transport.write(b"body")
    assert heard.done == []
    await asyncio.sleep(0)
    transport.write(b"next")
    await asyncio.sleep(0)
    assert heard.done == [b"headbody", b"next"]


async def test_what_was_written_before_the_end_is_sent() -> None:
    heard = Heard()
    transport = one_segment(heard)
    transport.write(b"refused")
    transport.close()
    await asyncio.sleep(0)
    assert heard.done == [b"refused", "closed"]


async def test_nothing_is_written_to_a_client_that_has_gone() -> None:
    heard = Heard()
    transport = one_segment(heard)
    transport.write(b"answer")
    heard.close()
    await asyncio.sleep(0)
    assert heard.done == ["closed"]
