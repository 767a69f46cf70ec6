#!/usr/bin/env python3
"""One command for everything: `python3 run.py dev | test | lint | bench | pins`, or any word of `innkeeper`.

Standard library only. The first call makes a virtual environment from the hash-pinned files in requirements/
(`.venv-core` to run Innkeeper, `.venv-dev` to work on it); later calls compare one stamp and start at once.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import contextmanager
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("Innkeeper needs Python 3.11 or newer; this is {}.{}.".format(*sys.version_info[:2]))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent
WINDOWS = sys.platform == "win32"
CHECKED = ("src", "tests", "bench", "examples", "run.py")
HELP = """usage: python3 run.py WORD [options]

  dev          start an issuer with the example world on loopback (options of `innkeeper dev`)
  test         run the linters and the tests; with words after it, only pytest with those words
               --faults [races|kill|storage|failover|clock|growth|overload|attacks]: only the long trials
               --broken: only the deliberately broken builds, all of them
  lint         run the linters only
  bench        measure speed beside a peer
  pins         make the requirement files anew from requirements/*.in (pins NAME ... upgrades only those)

Any other word is a command of Innkeeper: `python3 run.py app create` is `innkeeper app create`.
"""


def main(words: list[str]) -> int:
    """Carry out one command line and answer its exit status."""
    word, rest = (words[0], words[1:]) if words else ("--help", [])
    if word in {"-h", "--help", "help"}:
        sys.stdout.write(HELP)
        return 0
    if word == "test":
        return test(environment("dev"), rest)
    if word == "lint":
        return lint(environment("dev"))
    if word == "bench":
        return run([environment("dev"), "-m", "bench", *rest])
    if word == "pins":
        return pins(environment("dev"), rest)
    os.environ.setdefault("INNKEEPER_PROGRAM", "python3 run.py")
    become([environment("core"), "-P", "-m", "innkeeper", *words])
    return 0


# ------------------------------------------------------------ what the words do


def test(python: str, words: list[str]) -> int:
    """Run the linters and every test on two cores; with words, pytest alone with those words."""
    pytest = [python, "-m", "pytest"]
    if words:
        return run([*pytest, *words])
    # By file, since a file's tests share the servers and browsers that they start.
    return lint(python) or run([*pytest, "-n", "2", "--dist", "loadfile"])


def lint(python: str) -> int:
    """Run every linter, even after one has complained, and answer the first bad status."""
    paths = [path for path in CHECKED if (ROOT / path).exists()]
    statuses = [
        run([python, "-m", "ruff", "check", "--quiet", *paths]),
        run([python, "-m", "ruff", "format", "--check", "--quiet", *paths]),
        run([python, "-m", "mypy", *paths]),
        run([python, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-logo"]),
    ]
    return next((status for status in statuses if status), 0)


def pins(python: str, names: list[str]) -> int:
    """Resolve requirements/*.in into hash-pinned files without any address; without names, upgrade all."""
    upgrade = [f"--upgrade-package={name}" for name in names] or ["--upgrade"]
    options = ["--universal", "--generate-hashes", "--python-version=3.11", "--no-header", "--quiet"]
    private = ["--no-emit-index-url", "--no-emit-find-links"]
    compile_command = [python, "-m", "uv", "pip", "compile", *options, *private]
    for kind in ("build", "core", "dev"):
        source, target = f"requirements/{kind}.in", f"requirements/{kind}.txt"
        status = run([*compile_command, *upgrade, source, "-o", target])
        if status:
            return status
        if "://" in (ROOT / target).read_text(encoding="utf-8"):
            return complain(f"{target} holds an address; pins must not say where packages come from.")
    return 0


# ------------------------------------------------------------ environments


def environment(kind: str) -> str:
    """Answer the Python of an up-to-date `.venv-KIND`, made or mended first where needed."""
    folder = ROOT / f".venv-{kind}"
    python = folder / ("Scripts/python.exe" if WINDOWS else "bin/python")
    if stamp_in(folder) != stamp_of(kind):
        with lock(folder.with_suffix(".lock")):
            # Somebody else may have finished it while we waited for the lock.
            if stamp_in(folder) != stamp_of(kind):
                build(folder, python, kind)
    return str(python)


def stamp_of(kind: str) -> list[str]:
    """Two lines: what a virtual environment is bound to, and a digest of what has to be installed in it."""
    digest = hashlib.sha256()
    for name in ("requirements/build.txt", f"requirements/{kind}.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return [f"{ROOT} {sys.base_prefix} {sys.version}".replace("\n", " "), digest.hexdigest()]


def stamp_in(folder: Path) -> list[str]:
    """The stamp of the last finished build, or nothing."""
    try:
        return (folder / "stamp").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def build(folder: Path, python: Path, kind: str) -> None:
    """Make the environment, or mend one of the same interpreter and place; the stamp is written last."""
    say(f"Preparing {folder.name} ...")
    require_ensurepip()
    stamp = stamp_of(kind)
    if stamp_in(folder)[:1] != stamp[:1]:
        must("Making the virtual environment", [sys.executable, "-m", "venv", "--clear", str(folder)])
    (folder / "stamp").unlink(missing_ok=True)
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--require-hashes"]
    must("Installing the installer", [*pip, "-r", "requirements/build.txt"])
    install(str(python), f"requirements/{kind}.txt")
    (folder / "stamp").write_text("\n".join(stamp), encoding="utf-8")


def install(python: str, requirements: str) -> None:
    """Install the pinned packages and Innkeeper itself: with uv, or with pip where uv does not work."""
    uv = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python]
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    packages = ["--require-hashes", "-r", requirements]
    ourselves = ["--no-deps", "--no-build-isolation", "-e", "."]
    if run([*uv, *packages]):
        say("uv could not install the packages; trying pip, which is slower ...")
        must("Installing the packages", [*pip, *packages])
    if run([*uv, *ourselves]):
        must("Installing Innkeeper", [*pip, *ourselves])


def require_ensurepip() -> None:
    """Stop with the remedy where Debian has split the standard library."""
    from importlib.util import find_spec

    if find_spec("ensurepip") is None or find_spec("venv") is None:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        say("This Python cannot make virtual environments. On Debian and Ubuntu run:\n")
        sys.exit(f"  sudo apt-get install {package}\n")


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Let one run.py at a time build an environment, where the platform has file locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# ------------------------------------------------------------ processes and messages


def run(command: list[str]) -> int:
    """Run a command in the repository and answer its exit status."""
    import subprocess

    try:
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        return 130


def must(what: str, command: list[str]) -> None:
    """Run a command that everything after it depends on."""
    status = run(command)
    if status:
        sys.exit(complain(f"{what} failed (exit status {status}); the messages above say why."))


def become(command: list[str]) -> None:
    """Hand this process over to a command, in the caller's own folder."""
    if WINDOWS:
        import subprocess

        sys.exit(subprocess.run(command, check=False).returncode)
    os.execv(command[0], command)


def say(message: str) -> None:
    """Tell the person at the terminal something, outside of what the command prints."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def complain(message: str) -> int:
    """Say what went wrong and answer the exit status for it."""
    say(message)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
