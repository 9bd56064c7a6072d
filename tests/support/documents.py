"""README and the pages of the site, as the tests read them: their code blocks and the names in their prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sybil import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).resolve().parents[2]
# the blocks of extending.md are one plugin, which has tests of its own
PAGES = (ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.name != "extending.md"))

_FENCES = RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n"))
_INFO = re.compile(r'(?P<language>\w*)(?: title="(?P<title>[^"]+)")?')
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of code. `title` is the file it would stand in."""

    page: Path
    line: int
    language: str
    title: str
    source: str

    @property
    def id(self) -> str:
        """Where it stands, for a test's name."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Of a console block what is typed after the prompt; without it is output."""
        lines = [line.removeprefix("$ ") for line in self.source.splitlines() if line.startswith("$ ")]
        return [command.strip() for line in lines for command in line.split("&&")]


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page, from top to bottom."""
    document = Document(page.read_text(encoding="utf-8"), str(page))
    for region in _FENCES(document):
        info = _INFO.fullmatch(region.lexemes["info"].strip())
        assert info is not None, f'{page}: write the info of a fence as LANGUAGE or LANGUAGE title="FILE"'
        line = document.text.count("\n", 0, region.start) + 1
        yield Block(page, line, info["language"], info["title"] or "", region.lexemes["source"])


def blocks(language: str) -> list[Block]:
    """All blocks of a language."""
    return [block for page in PAGES for block in blocks_of(page) if block.language == language]


def spans(page: Path) -> set[str]:
    """What a page writes as code within its prose."""
    return set(_SPAN.findall(_FENCED.sub("", page.read_text(encoding="utf-8"))))
