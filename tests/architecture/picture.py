"""The picture of the house in CONTRIBUTING.md, drawn from the imports: `make picture`."""

import ast
import sys
from collections.abc import Iterator

from imports import MODULES, PACKAGE, ROOT
from rooms import ROOMS

PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- picture: `make picture` -->\n", "<!-- end of the picture -->\n"


def arrows() -> dict[str, set[str]]:
    """Say which rooms import which, also inside functions."""
    rooms = list(reversed(ROOMS))
    found = {room: set() for room in rooms}
    for module in MODULES:
        found[module.room] |= {one.name for one in module.imports if one.is_room}
    # An arrow upward is listed in `rooms.py`; with it the picture would have no order.
    return {room: found[room] & set(rooms[rooms.index(room) + 1 :]) for room in rooms}


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out the arrows that follow from others, in a graph that is in order from its top."""
    reached: dict[str, set[str]] = {}
    for room in reversed(graph):
        reached[room] = graph[room].union(*(reached[other] for other in graph[room]))
    return {
        room: {one for one in others if not any(one in reached[other] for other in others)}
        for room, others in graph.items()
    }


def purpose(room: str) -> str:
    """The first sentence of what a room says of itself."""
    folder = PACKAGE / room
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).partition("\n")[0]


def picture() -> Iterator[str]:
    rooms = [room for room in reversed(ROOMS) if (PACKAGE / room).is_dir()]
    drawn = arrows()
    yield "```mermaid"
    yield "flowchart TD"
    for room, others in reduced({room: drawn[room] & set(rooms) for room in rooms}).items():
        if others:
            yield f"    {room} --> {' & '.join(sorted(others, key=rooms.index))}"
    yield "```"
    yield ""
    yield from (f"- `{room}` – {purpose(room)}" for room in rooms)
    yield ""
    yield "Files beside the rooms, for all of them:"
    yield ""
    files = [room for room in ROOMS if room not in rooms and not room.startswith("_")]
    yield from (f"- `{room}.py` – {purpose(room)}" for room in files)


def redrawn(page: str) -> str:
    """Return the page with the picture as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n".join(picture()) + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(redrawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"Drew the picture in {PAGE.name}.", file=sys.stderr)
