"""What holds for every test: random order, no network beyond this machine, no silent skip, the event loop."""

from __future__ import annotations

import ipaddress
import os
import random
import shutil
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest

from tests.postgres import Cluster, Foreign, a_folder, open_cluster

FORBID_SKIPS = os.environ.get("INNKEEPER_FORBID_SKIPS") == "1"
# Markers whose tests run only when their option is given, and then alone.
ON_DEMAND = ("faults", "broken")
# The folders of tests/faults, whose tests run always: a slice of them, or at full length when their suite is asked for.
SUITES = ("races", "kill", "storage", "failover", "clock", "growth", "overload")

# Two shared cores make single examples slow now and then; that is no defect of what is tested.
hypothesis.settings.register_profile("innkeeper", deadline=None)
hypothesis.settings.load_profile("innkeeper")


class NetworkForbidden(RuntimeError):
    """A test reached for an address that is not this machine."""


# ------------------------------------------------------------ options, order, choice of tests


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("innkeeper")
    group.addoption("--seed", type=int, help="run the tests in the order of this seed")
    group.addoption(
        "--faults",
        nargs="?",
        const="all",
        choices=("all", *SUITES, "attacks"),
        help="run the long trials and faults at full length, all of them or one suite, and nothing else",
    )
    group.addoption(
        "--trials",
        type=int,
        help="with `--faults races`: so many of each race at each width, however long it takes",
    )
    group.addoption("--broken", action="store_true", help="run every deliberately broken build, nothing else")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed once: a worker of pytest-xdist takes the one of the process that started it."""
    started_by = getattr(config, "workerinput", {})
    if "seed" in started_by:
        config.option.seed = started_by["seed"]
    elif config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(1_000_000)
    sys.addaudithook(refuse_foreign_network)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker, so that all of them agree on the order."""
    node.workerinput["seed"] = node.config.option.seed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"The order of this run: --seed {config.option.seed}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    suite, is_broken = config.getoption("faults"), config.getoption("broken")
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        if suite or is_broken:
            is_long = suite in suites_of(item) if suite != "all" else bool(suites_of(item))
            is_chosen = is_long or (is_broken and item.get_closest_marker("broken") is not None)
        else:
            is_chosen = not any(item.get_closest_marker(marker) for marker in ON_DEMAND)
        (kept if is_chosen else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = shuffled(kept, config.option.seed)


def suites_of(item: pytest.Item) -> set[str]:
    """The suites of `--faults` that a test belongs to: by its folder under tests/faults, or by its marker."""
    suites = {item.path.parent.name} & set(SUITES) if item.path.parent.parent.name == "faults" else set()
    for mark in item.iter_markers("faults"):
        suites |= set(mark.args)
    return suites


def shuffled(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """Modules in random order, and tests within their module, so that module fixtures are made once."""
    # Not a secret: an order that can be asked for again.
    order = random.Random(seed)
    modules: dict[Path, list[pytest.Item]] = {}
    for item in sorted(items, key=lambda item: item.nodeid):
        modules.setdefault(item.path, []).append(item)
    groups = list(modules.values())
    order.shuffle(groups)
    for group in groups:
        order.shuffle(group)
    return [item for group in groups for item in group]


# ------------------------------------------------------------ no silent skip


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if FORBID_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if FORBID_SKIPS and report.skipped:
        forbid(report)
    return report


def forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that names the reason: a test that does not run guards nothing."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"Skips are forbidden in this run (INNKEEPER_FORBID_SKIPS=1). {reason}"


# ------------------------------------------------------------ no network


def refuse_foreign_network(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: sockets of this process reach loopback only (subprocesses are not watched)."""
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        connection, address = arguments
        is_internet = getattr(connection, "family", None) in {socket.AF_INET, socket.AF_INET6}
        if is_internet and isinstance(address, tuple) and not is_this_machine(str(address[0])):
            raise NetworkForbidden(f"A test tried to reach {address[0]}; tests stay on this machine.")
    elif event == "socket.getaddrinfo":
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
        if isinstance(host, str) and host and not is_this_machine(host):
            raise NetworkForbidden(f"A test tried to look up {host}; tests stay on this machine.")


def is_this_machine(host: str) -> bool:
    """Loopback by name or address; the unspecified address is what servers bind to."""
    if host in {"localhost", ""}:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


# ------------------------------------------------------------ fixtures


class Amount(Protocol):
    """`amount(full=10_000, quick=100)`: how many of them in this run."""

    def __call__(self, *, full: int, quick: int) -> int: ...


@pytest.fixture(scope="session")
def is_full(request: pytest.FixtureRequest) -> bool:
    """`--faults` was asked for: trials have their full length."""
    return request.config.getoption("faults") is not None


@pytest.fixture(scope="session")
def amount(is_full: bool) -> Amount:
    """The number of trials: the full one under `--faults`, a slice of it in the ordinary run."""

    def choose(*, full: int, quick: int) -> int:
        return full if is_full else quick

    return choose


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio, which is what the server runs on."""
    return "asyncio"


def a_program(*names: str) -> Callable[[], Path]:
    """Make a fixture body that finds one of these programs or skips the test by name."""

    def find() -> Path:
        found = next((path for path in map(shutil.which, names) if path), None)
        if found is None:
            pytest.skip(f"{names[0]} is not installed (on Debian: apt-get install chromium nodejs npm)")
        return Path(found)

    return find


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster | Foreign]:
    """A PostgreSQL for the whole run (of this worker); `await postgres.fresh_database()` is one test's own."""
    folder = a_folder()
    cluster = open_cluster(folder)
    yield cluster
    # Nothing in it has to be kept, so nothing in it has to be written first: that takes half a minute.
    cluster.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """Debian's Chromium, for `playwright ... launch(executable_path=...)`."""
    return a_program("chromium", "chromium-browser")()


@pytest.fixture(scope="session")
def node_path() -> Path:
    """Node.js, for JavaScript clients and peers."""
    return a_program("node", "nodejs")()


@pytest.fixture(scope="session")
def npm_path() -> Path:
    """npm, which fetches the pinned JavaScript packages."""
    return a_program("npm")()
