"""The demo in a real browser: dropped, pasted and chosen files, refusals, two browsers, no request to anywhere else."""

import base64
import threading
from contextlib import closing

import pytest

from tests.training.demo.conftest import bomb, encoded, noise, photo
from training.demo.app import Limits, make_app
from training.demo.command import listen, make_server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
TRANSFER = """files => {
    const transfer = new DataTransfer();
    for (const [name, text] of files)
        transfer.items.add(new File([Uint8Array.from(atob(text), one => one.charCodeAt(0))], name));
    return transfer;
}"""
PASTE = "transfer => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer}))"
REFUSED = "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"
ASKED = (
    "() => { document.getElementById('files').onclick = event => { window.asked = event.target.id; return false; }; }"
)
expect = sync_api.expect
expect.set_options(timeout=20_000)


class Served:
    """The demo on a port of this machine; `go` can hold its network up."""

    def __init__(self, answers, page):
        self.go = threading.Event()
        self.go.set()
        self._answers = answers
        self.server = make_server(make_app(self.answer, page, Limits(max_bytes=1_000_000, seconds=10)))

    def answer(self, data, class_index):
        self.go.wait(20)
        return self._answers.answer(data, class_index)


@pytest.fixture(scope="module")
def served(answers, page):
    demo = Served(answers, page)
    with closing(listen(0)) as listener:
        demo.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=demo.server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield demo
        demo.server.should_exit = True
        thread.join()


@pytest.fixture
def opened(browser, served):
    """Opens the demo in a browser of its own: own cookies, own cache."""
    contexts = []

    def open_demo(**options):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.problems, page.requests = [], []
        page.on("console", lambda message: page.problems.append(message.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("dialog", lambda dialog: page.problems.append(dialog.message))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(served.address)
        return page

    yield open_demo
    served.go.set()
    for context in contexts:
        page = context.pages[0]
        assert [text for text in page.problems if text != REFUSED] == []
        assert {url.split(":")[0] for url in page.requests if not url.startswith(served.address)} <= {"data", "blob"}
        context.close()


def transfer(page, *files):
    """A DataTransfer that holds files: (name, content)."""
    return page.evaluate_handle(TRANSFER, [[name, base64.b64encode(data).decode()] for name, data in files])


def drop(page, *files):
    """Drops files onto the page."""
    held = transfer(page, *files)
    page.dispatch_event("#drop", "dragenter", {"dataTransfer": held})
    page.dispatch_event("#drop", "drop", {"dataTransfer": held})


def seen(card, selector):
    """How many different colours the picture has that a browser shows, and its size on the screen."""
    card.locator(selector).scroll_into_view_if_needed()
    return card.locator(selector).evaluate("""async image => {
        await image.decode();
        const canvas = document.createElement('canvas'), {naturalWidth: width, naturalHeight: height} = image;
        [canvas.width, canvas.height] = [width, height];
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0);
        const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
        return {colours: new Set(pixels).size, width: image.clientWidth, natural: [width, height]};
    }""")


def test_a_dropped_image_is_answered_with_scores_and_an_overlay(opened, answers):
    page = opened()
    drop(page, ("<script>alert(1)</script> & <i>Ameise</i>.png", photo()))
    card = page.locator(".card")
    expect(card.locator(".decided")).to_be_visible()
    expected = answers.answer(photo())
    assert card.locator(".name").inner_text() == "<script>alert(1)</script> & <i>Ameise</i>.png"
    assert card.locator(".decided").inner_text() == answers.trained.class_names[expected["decided"]]
    rows = [row.locator("th, .number").all_inner_texts() for row in card.locator(".bars tbody tr").all()]
    shown = {name: float(percent.strip("%")) / 100 for name, percent in rows}
    assert shown == pytest.approx(dict(zip(answers.trained.class_names, expected["scores"], strict=True)), abs=6e-4)
    assert "the operating point" in card.locator(".rule").inner_text() and card.locator(".mark").count() == 1
    for selector, natural in ((".input img", [12, 12]), (".yours img", [16, 20])):
        found = seen(card, selector)
        assert found["colours"] > 100 and found["width"] > 100 and found["natural"] == natural
    overlays = []
    for name in answers.trained.class_names:
        card.locator("select").select_option(label=name)
        expect(page.get_by_role("status")).to_contain_text(f"evidence for {name}")
        if card.locator(".heat img").is_visible():
            overlays.append(seen(card, ".heat img")["colours"])
        else:
            expect(card.locator(".absent")).to_have_text(
                f"Nothing in this image speaks for {name}: the map is nowhere above 0."
            )
    assert overlays and min(overlays) > 100


def test_a_bomb_a_text_and_a_large_file_are_refused_and_the_next_image_is_answered(opened):
    page = opened()
    files = [("bomb.png", bomb()), ("notes.png", b"no picture"), ("large.jpg", bytes(1_500_000)), ("good.png", photo())]
    drop(page, *files)
    cards = page.locator(".card")
    expect(cards.nth(3).locator(".decided")).to_be_visible()
    assert cards.locator(".name").all_inner_texts() == [name for name, _ in files]
    assert [cards.nth(index).locator(".state").inner_text() for index in range(3)] == [
        "It cannot be read as an image: too many pixels (10,000×10,000); at most 64 megapixels are taken.",
        "It cannot be read as an image: not an image (text?).",
        "The file is too large: 1.5 MB, and at most 1.0 MB are taken here.",
    ]
    assert page.locator(".card.refused").count() == 3 and page.problems == [REFUSED] * 2


def test_two_browsers_work_at_the_same_time(opened, served):
    first = opened()
    served.go.clear()
    drop(first, ("first.png", photo(1)))
    expect(first.locator(".state")).to_have_text("The network looks at it …")
    second = opened()  # while the network is at work
    drop(second, ("second.png", photo(2)), ("third.png", photo(3)))
    expect(second.locator(".state").first).to_have_text("The network looks at it …")
    expect(second.locator(".state").last).to_have_text("Waiting …")
    served.go.set()
    expect(second.locator(".decided")).to_have_count(2)
    for page, count in ((first, 1), (second, 2)):
        for card in page.locator(".card").all()[:count]:
            expect(card.locator(".decided")).to_be_visible()
    assert first.locator(".name").all_inner_texts() == ["first.png"]


def test_files_are_chosen_by_the_keyboard_and_pasted(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    page.evaluate(ASKED)
    page.keyboard.press("Enter")
    assert page.evaluate("window.asked") == "files"
    page.set_input_files("#files", [{"name": "chosen.png", "mimeType": "", "buffer": photo()}])
    expect(page.locator(".decided")).to_be_visible()
    page.evaluate(PASTE, transfer(page, ("image.png", photo(1))))
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator(".decided").first).to_be_visible()
    assert page.locator(".name").all_inner_texts() == ["image.png", "chosen.png"]
    page.get_by_role("button", name="Remove image.png").click()
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("button", name="Clear all").click()
    assert not page.locator("#results").is_visible() and page.evaluate("document.activeElement.id") == "choose"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_follows_the_scheme(opened, scheme):
    page = opened(color_scheme=scheme)
    drop(page, ("n" * 200 + ".jpg", encoded(noise(60, 300), "JPEG")), ("b.tif", encoded(noise(), "TIFF")))
    expect(page.locator(".card").last.locator(".decided")).to_be_visible()
    expect(page.locator(".card").last.locator(".yours")).to_contain_text("This browser cannot show TIFF files")
    for width in (1280, 400, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = {"light": "rgb(255, 255, 255)", "dark": "rgb(23, 27, 31)"}[scheme]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper


def test_nothing_is_kept_by_the_browser_and_hostile_class_names_are_text(opened, answers):
    page = opened()
    assert "<b>ill</b> from a score of 0.25 on. Chosen on validation." in page.locator(".point").inner_text()
    drop(page, ("a.png", photo()))
    expect(page.locator(".decided")).to_be_visible()
    assert page.locator("main b", has_text="ill").count() == 0
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]


def test_a_busy_demo_is_asked_again_and_one_that_has_ended_is_said(opened):
    page, tries = opened(), []

    def busy_once(route):
        tries.append(1)
        route.fulfill(status=503, json={"error": "busy"}) if len(tries) == 1 else route.continue_()

    page.route("**/predict", busy_once)
    drop(page, ("a.png", photo()))
    expect(page.locator(".decided")).to_be_visible()
    assert len(tries) == 2
    page.unroute("**/predict")
    page.route("**/predict", lambda route: route.abort())
    drop(page, ("b.png", photo()))
    expect(page.locator(".refused .state")).to_contain_text("It could not be sent.")
    page.problems.clear()


def test_more_files_than_one_drop_may_hold_are_said(opened):
    page = opened()
    page.route("**/predict", lambda route: route.abort())
    drop(page, *((f"{index}.png", b"x") for index in range(51)))
    expect(page.locator("#notice")).to_have_text(
        "Only the first 50 of 51 files are taken; make predict takes whole folders."
    )
    expect(page.locator(".card")).to_have_count(50)
    page.dispatch_event("#drop", "drop", {"dataTransfer": page.evaluate_handle("() => new DataTransfer()")})
    expect(page.locator("#notice")).to_contain_text("What was dropped is no file.")
    page.problems.clear()
