"""What the package offers: its examples run, it names no framework, and importing it loads none."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import inspect
import subprocess
import sys
import typing

import pytest

from innkeeper import resource_server
from innkeeper.resource_server import guard as guard_module
from tests.stand_in_issuer import StandInIssuer

MODULES = ("access_token", "asgi", "guard", "introspection", "refusal")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = StandInIssuer()
    monkeypatch.setattr(guard_module, "fetch_over_http", issuer.fetch)
    module = importlib.import_module(f"innkeeper.resource_server.{name}")
    given = {
        **vars(resource_server),
        "asyncio": asyncio,
        "guard": issuer.guard(),
        "access_token": issuer.token(),
    }
    # Examples run with what a reader would have imported, and with nothing else of the module.
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    tests = [test for test in doctest.DocTestFinder().find(module, globs=given) if test.examples]
    assert tests
    for test in tests:
        assert runner.run(test).failed == 0


def test_every_public_function_has_an_example() -> None:
    functions = [
        function
        for owner in (resource_server, resource_server.Guard)
        for name, function in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_")
    ]
    assert {function.__name__ for function in functions} >= {"check", "requires", "refusal"}
    for function in functions:
        assert ">>>" in (function.__doc__ or ""), f"{function.__qualname__} has no example"


def test_no_public_signature_names_a_framework() -> None:
    public = [getattr(resource_server, name) for name in resource_server.__all__]
    methods = [member for item in public if inspect.isclass(item) for member in vars(item).values()]
    for function in filter(inspect.isfunction, [*public, *methods]):
        hints = " ".join(map(repr, typing.get_type_hints(function).values()))
        assert "starlette" not in hints
        assert "fastapi" not in hints


def test_importing_the_package_loads_no_framework_and_no_http_client() -> None:
    program = (
        "import sys, innkeeper.resource_server as r; "
        "r.Guard(issuer='http://localhost:9000', audience='a'); "
        "print(*{'fastapi', 'starlette', 'httpx2', 'joserfc', 'anyio'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
