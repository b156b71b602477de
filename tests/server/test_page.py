"""The pages in a real browser: a photo is dropped and answered, by keys alone, on a phone, too."""

import re

import pytest

from kerasrecipes.server.web.keys import new_key

expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys"
    return path, new_key(path, "ana")


@pytest.fixture(scope="module")
def server(start, models, key):
    return start(models, "--keys", str(key[0]))


@pytest.fixture
def opened(open_page, server, key):
    """Opens a page as somebody who knows a key."""

    def go(path="/", **options):
        page = open_page(server.address + path, **options)
        expect(page.locator("#key-row")).to_be_visible()
        said = page.locator("[role=status]")
        expect(said).to_contain_text("Send a key that this server knows")
        page.locator("#key").fill(key[1])
        page.keyboard.press("Tab")
        errors = [one for one in open_page.errors if "401" not in one]
        open_page.errors[:] = errors
        return page

    return go


def test_a_photo_is_answered(opened, photos, tmp_path):
    page = opened()
    expect(page.locator("#model option")).to_have_text("colours 1 (champion)")
    (tmp_path / "photo.png").write_bytes(photos[0])
    page.locator("#file").set_input_files(tmp_path / "photo.png")
    expect(page.locator("#scores meter")).to_have_count(3)
    expect(page.locator("#facts")).to_have_text(re.compile(r"^colours 1, [0-9.]+ ms"))
    assert page.locator("#answer").inner_text() in ("blue", "green", "rød 1", "rød\n1")
    expect(page.locator("#shown")).to_have_js_property("naturalWidth", 32)


def test_what_is_no_photo_is_told_by_keys_alone(opened, open_page):
    page = opened()
    expect(page.locator("#model option")).to_have_count(1)
    page.locator("#text").focus()
    page.keyboard.type("<b>no photo</b>")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#answer.bad")).to_contain_text("not a photo: begins with '<b>no photo")
    errors = [one for one in open_page.errors if "422" not in one]
    open_page.errors[:] = errors


@pytest.mark.parametrize("path", ["/", "/status"])
def test_it_fits_a_phone(opened, path):
    page = opened(path, viewport={"width": 360, "height": 740}, color_scheme="dark")
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for one in page.locator("button, select, input:not([type=file]), nav a").all():
        assert one.bounding_box()["height"] >= 40
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_status_tells_versions_and_times(opened, server, key, photos):
    httpx = pytest.importorskip("httpx")
    told = {"Authorization": f"Bearer {key[1]}"}
    httpx.post(f"{server.address}/predict", content=photos[0], headers=told, timeout=60)
    page = opened("/status")
    expect(page.locator("#ready")).to_contain_text("Ready. 0 requests wait.")
    expect(page.locator("#models")).to_contain_text("1 (answers)")
    expect(page.locator("#models")).to_contain_text("tflite-int8")
    expect(page.locator("#answers span").first).to_contain_text("colours 1: ")
    expect(page.locator("#requests")).to_contain_text("/predict")
    expect(page.locator("#requests")).to_contain_text(re.compile("≤ [0-9.]+ ms"))


def test_nothing_else_runs_in_it(server):
    httpx = pytest.importorskip("httpx")
    for path in ("/", "/status"):
        answer = httpx.get(server.address + path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        (nonce,) = set(re.findall("nonce-([^']+)'", policy))
        assert answer.text.count(f'nonce="{nonce}"') == 2 == answer.text.count("nonce=")
        assert not re.search(r"https?://|innerHTML|NONCE|STYLE|\son\w+=", answer.text)
        assert nonce not in httpx.get(server.address + path).text
