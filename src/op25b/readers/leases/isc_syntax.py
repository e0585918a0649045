"""The syntax of `dhcpd.leases(5)`: statements that end in `;` or have a block in braces, read line by line.

Only the outermost blocks are built: one at a time is in memory, and a block that the writing server did not finish
(a crash, a full disk) costs that block alone, because dhcpd begins each block at the start of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{};]|#.*|"[^"]*$|[^\s{};"#]+')
_PLAIN = re.compile(r'^\s*([^"{};#\s][^"{};#]*);\s*$')
_TOP = re.compile(r"^(?:lease|ia-na|ia-ta|ia-pd) ")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
MAX_TOKENS = 10_000


@dataclass
class Block:
    """`head { statements }`; a statement without a block has no `body`."""

    line: int
    head: list[str]
    body: list[Block] = field(default_factory=list)
    has_body: bool = False

    def values(self, *name: str) -> list[str] | None:
        """The words after the last statement that begins with `name`."""
        words, first = list(name), name[0]
        for block in reversed(self.body):
            if block.head and block.head[0] == first and block.head[: len(words)] == words:
                return block.head[len(words) :]
        return None


@dataclass(frozen=True)
class Broken:
    """A statement that does not end."""

    line: int
    head: list[str]


def statements(lines: Iterable[tuple[int, str]]) -> Iterator[Block | Broken]:
    """The outermost statements of a file, in order."""
    parser = _Parser()
    for line, text in lines:
        if parser.unfinished and _TOP.match(text):
            yield parser.give_up()
        if plain := _PLAIN.match(text):  # nearly every line inside a block
            yield from parser.statement(line, plain[1].split())
            continue
        for token in _TOKEN.findall(text):
            if not token.startswith("#"):
                yield from parser.feed(line, token)
    if parser.unfinished:
        yield parser.give_up()


class _Parser:
    def __init__(self) -> None:
        self._stack: list[Block] = []
        self._words: list[str] = []
        self._line = 0
        self._tokens = 0

    @property
    def unfinished(self) -> bool:
        return bool(self._stack or self._words)

    def give_up(self) -> Broken:
        line, head = (self._stack[0].line, self._stack[0].head) if self._stack else (self._line, self._words)
        self._stack, self._words, self._tokens = [], [], 0
        return Broken(line, head)

    def feed(self, line: int, token: str) -> Iterator[Block | Broken]:
        self._tokens += 1
        if not self._words:
            self._line = line
        match token:
            case "{":
                self._stack.append(Block(self._line, self._words, has_body=True))
                self._words = []
            case "}" if self._stack and not self._words:
                yield from self._end(self._stack.pop())
            case "}":
                self._words.append(token)
                yield self.give_up()
            case ";":
                words, self._words = self._words, []
                if words:
                    yield from self._end(Block(self._line, words))
            case _:
                self._words.append(token)
        if self._tokens > MAX_TOKENS:
            yield self.give_up()

    def statement(self, line: int, words: list[str]) -> Iterator[Block | Broken]:
        """A whole statement that is alone on its line."""
        self._tokens += len(words)
        if self._words:
            words, self._words = [*self._words, *words], []
        else:
            self._line = line
        yield from self._end(Block(self._line, words))
        if self._tokens > MAX_TOKENS and self.unfinished:
            yield self.give_up()

    def _end(self, block: Block) -> Iterator[Block]:
        if self._stack:
            self._stack[-1].body.append(block)
        else:
            self._tokens = 0
            yield block


def octets(word: str) -> bytes:
    r"""The octets of a quoted string, in which dhcpd writes what is not printable as `\ooo`."""
    raw = word.removeprefix('"').removesuffix('"').encode("utf-8", "replace")
    return _ESCAPE.sub(lambda match: _unescaped(match[1]), raw)


def _unescaped(code: bytes) -> bytes:
    return bytes((int(code, 8) & 0xFF,)) if code[:1] in b"01234567" else code
