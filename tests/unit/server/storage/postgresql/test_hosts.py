"""One address for several hosts."""

from __future__ import annotations

from innkeeper.server.storage.postgresql.hosts import addresses


def test_each_host_gets_an_address_of_its_own_with_everything_else_in_it() -> None:
    assert addresses("postgresql://innkeeper@one.example.test,[::1]:5433/names?sslmode=verify-full") == {
        "one.example.test": "postgresql://innkeeper@one.example.test/names?sslmode=verify-full",
        "[::1]:5433": "postgresql://innkeeper@[::1]:5433/names?sslmode=verify-full",
    }


def test_an_address_without_a_host_stays_as_it_is() -> None:
    assert addresses("postgresql:///names") == {"": "postgresql:///names"}
