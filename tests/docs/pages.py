"""The pages that people read, cut into the parts that tests look at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)(```+)(.*)$")
HEADING = re.compile(r"^#{1,6} +(.*?)\s*$")
LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
ANCHOR = re.compile(r'<a id="([^"]+)">')


class Block(NamedTuple):
    """A fenced block: where it is, what it says it is, and what it holds."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{named(self.page)}:{self.line}"


def pages() -> list[Path]:
    """Everything written for readers, at the root, in docs/ and beside the examples."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), ROOT / "examples" / "README.md"]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks, in order. A fence that is not closed is an error."""
    start, language, closing, held = 0, "", "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if not closing and fence is not None:
            start, language, closing, held = number, fence[3].strip(), fence[2], []
        elif closing and fence is not None and fence[2].startswith(closing) and not fence[3]:
            yield Block(page, start, language, "".join(f"{one}\n" for one in held))
            closing = ""
        elif closing:
            held.append(line)
    assert not closing, f"{named(page)}:{start}: the block is not closed"


def prose_of(page: Path) -> str:
    """The text without its fenced blocks, line for line."""
    kept, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        is_fence = FENCE.match(line) is not None
        kept.append("" if inside or is_fence else line)
        inside ^= is_fence
    return "\n".join(kept)


def links_of(page: Path) -> list[str]:
    """Where the links of a page go; what stands in code is no link."""
    return LINK.findall(CODE.sub("code", prose_of(page)))


def anchors_of(page: Path) -> set[str]:
    """What `#...` may name: headings as a forge makes anchors of them, and anchors set by hand."""
    prose = prose_of(page)
    found = set(ANCHOR.findall(prose))
    for line in prose.splitlines():
        if heading := HEADING.match(line):
            found.add(anchor(heading[1]))
    return found


def anchor(heading: str) -> str:
    words = re.sub(r"[^\w\- ]", "", heading.lower())
    return words.replace(" ", "-")


def codes_of(page: Path) -> list[str]:
    """What stands between backquotes, in prose and tables."""
    return CODE.findall(prose_of(page))


def table_of(page: Path, first_column: str) -> list[list[str]]:
    """The rows of the table whose first column has this title, as cells without their backquotes' meaning."""
    rows, inside = [], False
    for line in prose_of(page).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and not inside:
            inside = cells[0] == first_column
        elif line.startswith("|") and inside:
            rows.append(cells)
        else:
            inside = False
    return [row for row in rows if set(row[0]) != {"-"}]
