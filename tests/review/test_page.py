"""The page in a real browser: by keys alone, and with names that would do harm."""

import re

import pytest

from kerasrecipes.data.tables.decisions import read_decisions

expect = pytest.importorskip("playwright.sync_api").expect


def shows(page, where, begins):
    expect(page.locator(where)).to_have_text(re.compile(f"^{re.escape(begins)}"))


def text(page, where):
    return page.locator(where).inner_text()


def test_labels_are_put_right_by_keys_alone(serve, session, root, open_page):
    file = root / "labels.csv"
    page = open_page(serve(session).address)
    page.wait_for_selector("#facts dd")
    assert text(page, "#why") == "1 of 2: models say <script>alert(1)</script> good"
    assert "crack/0<i>.png" in text(page, "#facts") and "Perhaps\ngood" in text(page, "#facts")
    besides = page.locator("#beside figcaption").all_inner_texts()
    assert [one.split("\n")[0] for one in besides] == ["≠ <b>dent", "≠ good", "≠ good"]
    expect(page.locator("#large")).to_have_js_property("naturalWidth", 80)
    assert page.locator("#large").get_attribute("alt") == "crack/0<i>.png, labelled crack"

    page.keyboard.press("Enter")  # what is suggested
    shows(page, "#why", "1 of 1")
    assert read_decisions(file)["crack/0<i>.png"].label == "good"
    assert text(page, "#said") == "crack/0<i>.png: relabelled as good."
    page.keyboard.press("u")
    shows(page, "#why", "1 of 2")
    assert not file.exists()
    page.keyboard.press("3")
    shows(page, "#why", "1 of 1")
    assert read_decisions(file)["crack/0<i>.png"].label == "good"
    page.keyboard.press("t")
    shows(page, "#why", "Nothing is")
    assert {n: one.decision for n, one in read_decisions(file).items()} == {
        "crack/0<i>.png": "relabel", "<b>dent/0<i>.png": "cannot tell",
    }  # fmt: skip
    assert text(page, "#count") == "3 of 4 decided"  # one photo is there for two reasons
    page.get_by_role("button", name="Odd ones (1)").click()
    page.keyboard.press("x")
    shows(page, "#count", "4 of 4")
    assert len(read_decisions(file)) == 3


def test_what_was_decided_is_there_after_a_new_start(serve, session, root, open_page):
    session.decide(3, "keep")
    page = open_page(serve(session).address)
    page.wait_for_selector("#facts dd")
    assert text(page, "#why").startswith("1 of 1")
    page.keyboard.press("a")
    shows(page, "#why", "2 of 2")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#facts")).to_contain_text("kept by ana")
    assert page.get_by_role("button", name="Decided ones, too").get_attribute("aria-pressed") == (
        "true"
    )


def test_an_error_is_said_and_nothing_is_taken_for_done(serve, session, open_page, root):
    server = serve(session)
    page = open_page(server.address)
    page.wait_for_selector("#facts dd")
    server.shutdown()
    server.server_close()
    page.route("**/decide", lambda route: route.abort())
    page.keyboard.press("k")
    page.wait_for_selector("#said.wrong")
    assert "does not answer" in text(page, "#said") and text(page, "#why").startswith("1 of 2")
    assert open_page.errors.pop().startswith("Failed to load resource")


def test_it_fits_a_phone_and_can_be_read(serve, session, open_page):
    page = open_page(
        serve(session).address, viewport={"width": 360, "height": 740}, color_scheme="dark"
    )
    page.wait_for_selector("#facts dd")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    images = page.locator("img:not([hidden])")
    assert all(image.get_attribute("alt") for image in images.all())
    for button in page.locator("button").all():
        assert button.bounding_box()["height"] >= 40
