"""The hosts of a DSN, one by one: a host that swallows everything must not use up the time of the next."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit


class Hosts:
    """Begins with the one that answered last: after a failover that is the new primary."""

    def __init__(self, url: str) -> None:
        self._urls = _of_each_host(url)
        self._latest = 0

    def __len__(self) -> int:
        return len(self._urls)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """A number to tell `answered`, and a DSN that names one host."""
        first = self._latest
        for step in range(len(self._urls)):
            number = (first + step) % len(self._urls)
            yield number, self._urls[number]

    def answered(self, number: int) -> None:
        """It is the one that takes writes."""
        self._latest = number


def _of_each_host(url: str) -> tuple[str, ...]:
    """One that names no host, or names it after the question mark, stays as it is."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    return tuple(urlunsplit(parts._replace(netloc=f"{account}{at}{host}")) for host in hosts.split(","))
