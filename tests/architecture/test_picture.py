"""The picture of the house in CONTRIBUTING.md shows the arrows that there are."""

from imports import PACKAGE
from picture import BEGIN, END, PAGE, arrows, picture, redrawn, reduced
from rooms import ROOMS


def test_the_picture_is_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    assert redrawn(page) == page, "Rooms or arrows changed. Run: make picture"


def test_an_old_picture_is_seen_and_the_text_around_it_kept():
    page = f"above\n{BEGIN}old\n{END}below\n"
    new = redrawn(page)
    assert new != page
    assert new.startswith(f"above\n{BEGIN}```mermaid\n")
    assert new.endswith(f"\n{END}below\n")
    assert redrawn(new) == new


def test_every_room_is_in_it_and_no_arrow_goes_up():
    text = "\n".join(picture())
    rooms = [room for room in ROOMS if (PACKAGE / room).is_dir()]
    assert all(f"- `{room}` – " in text for room in rooms)
    assert len(rooms) > 20
    order = list(ROOMS)
    for room, others in arrows().items():
        assert all(order.index(other) < order.index(room) for other in others)


def test_arrows_that_follow_from_others_are_left_out():
    graph = {"cli": {"fit", "data"}, "show": {"data"}, "fit": {"data"}, "data": set()}
    assert reduced(graph) == {**graph, "cli": {"fit"}}
