"""The page in a real browser: no request, no error, nothing wider than the window."""

import shutil

import numpy as np
import pytest

from evaluation.report import ReportContext, write_report
from tests.evaluation.samples import binary, regression, several

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LABELS = ("<script>alert(1)</script>", "a&b", "$x$", "n" * 60)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def page_path(tmp_path_factory):
    image = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    splits = {"test": several(labels=LABELS), "two": binary(), "many": several(n=300, k=22), "number": regression()}
    context = ReportContext(details={"Digest": "f" * 200}, notes=["x" * 200], image_of=lambda name: image)
    return write_report(splits, tmp_path_factory.mktemp("page"), title="T" * 120, context=context).html_path


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_opens_offline_and_fits(browser, page_path, width):
    problems, requests = [], []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    outside = [url for url in requests if url != page_path.as_uri() and not url.startswith("data:")]
    sizes = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    images = page.evaluate("Array.from(document.images, one => one.naturalWidth)")
    page.close()
    assert (problems, outside) == ([], [])
    assert sizes[0] <= sizes[1] == width
    assert len(images) > 20 and min(images) > 0
