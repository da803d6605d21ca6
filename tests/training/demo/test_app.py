"""What the server takes, refuses and forgets."""

import asyncio
import os
import threading

import pytest
from starlette.requests import Request

from tests.training.demo.conftest import REFUSED, bomb, client_of, photo
from training.demo.app import HTTPException, Limits, read_body


def test_an_image_is_answered(client):
    answer = client.post("/predict", content=photo())
    found = answer.json()
    assert answer.status_code == 200 and sum(found["scores"]) == pytest.approx(1)
    assert found["file"] == {"format": "PNG", "width": 16, "height": 20, "grey": False}
    assert all(found[key].startswith("data:image/png;base64,") for key in ("input",))


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_image_is_refused_in_words(client, kind):
    make, reason = REFUSED[kind]
    answer = client.post("/predict", content=make())
    assert (answer.status_code, answer.json()) == (422, {"error": f"It cannot be read as an image: {reason}."})


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [("5", 422, "class_index must lie in 0…1"), ("-1", 400, "whole number"), ("x", 400, "whole"), ("٣", 400, "whole")],
)
def test_classes_that_are_none_are_refused(client, query, status, words):
    answer = client.post("/predict", params={"class_index": query}, content=photo())
    assert answer.status_code == status and words in answer.json()["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "[", "", "0.0.0.0:8642"]
)
def test_another_host_is_refused(client, host):
    for method, path in (("GET", "/"), ("POST", "/predict")):
        answer = client.request(method, path, content=photo(), headers={"Host": host})
        assert answer.status_code == 403 and "for this machine alone" in answer.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "https://127.0.0.1:8642"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_is_refused(client, headers):
    answer = client.post("/predict", content=photo(), headers=headers)
    assert (answer.status_code, answer.json()["error"][:19]) == (403, "Another site's page")


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:8642", "LOCALHOST:9000"])
def test_the_demos_own_page_is_answered_by_either_name_and_through_a_forwarded_port(client, host):
    headers = {"Host": host, "Origin": f"http://{host.lower()}", "Sec-Fetch-Site": "same-origin"}
    assert client.get("/", headers={"Host": host, "Sec-Fetch-Site": "cross-site"}).status_code == 200
    assert client.post("/predict", content=photo(), headers=headers).status_code == 200


def test_every_answer_may_not_be_kept_nor_framed(client):
    for answer in (client.get("/"), client.post("/predict", content=b""), client.get("/no"), client.get("/predict")):
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Frame-Options"] == "DENY"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy


@pytest.mark.parametrize("announced", [True, False])
def test_a_large_upload_is_cut_off(answers, page, announced):
    sent = []

    def parts():
        for _ in range(100):
            sent.append(1)
            yield bytes(1000)

    with client_of(answers.answer, page, max_bytes=10_000) as client:
        answer = client.post("/predict", content=bytes(100_000) if announced else parts())
    assert (answer.status_code, answer.headers["Connection"]) == (413, "close")
    assert answer.json() == {"error": "The file is too large: at most 0.01 MB are taken here."}


def body_of(parts, headers=()):
    """A request whose body arrives in parts; None never does."""
    waiting = iter(parts)
    taken = []

    async def receive():
        part = next(waiting)
        taken.append(part)
        if part is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": part, "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": list(headers)}
    return Request(scope, receive), taken


def test_no_more_is_read_than_may_be_kept():
    request, taken = body_of([bytes(600)] * 100)
    with pytest.raises(HTTPException, match="413"):
        asyncio.run(read_body(request, Limits(max_bytes=1000, seconds=5)))
    assert len(taken) == 2
    request, taken = body_of([bytes(600)] * 100, [(b"content-length", b"60000")])
    with pytest.raises(HTTPException, match="413"):
        asyncio.run(read_body(request, Limits(max_bytes=1000, seconds=5)))
    assert taken == []


def test_an_upload_that_never_ends_is_given_up():
    request, _ = body_of([b"x", None])
    with pytest.raises(HTTPException, match="408: The file did not arrive within 0.05 s"):
        asyncio.run(read_body(request, Limits(max_bytes=1000, seconds=0.05)))


def test_one_image_is_at_work_a_few_wait_and_the_rest_are_turned_away(page):
    go, at_work, lock, most = threading.Event(), [], threading.Lock(), []

    def slow(data, class_index):
        with lock:
            at_work.append(1)
            most.append(len(at_work))
        go.wait(10)
        with lock:
            at_work.pop()
        return {"scores": [len(data)]}

    with client_of(slow, page, places=3) as client:
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(client.post("/predict", content=b"x"))) for _ in range(7)
        ]
        for thread in threads:
            thread.start()
        while len(found) < 4:
            threading.Event().wait(0.01)
        assert client.get("/").status_code == 200  # the page comes while the network works
        go.set()
        for thread in threads:
            thread.join()
        assert client.post("/predict", content=b"x").status_code == 200
    assert sorted(answer.status_code for answer in found) == [200] * 3 + [503] * 4 and max(most) == 1
    refused = next(answer for answer in found if answer.status_code == 503)
    assert refused.headers["Retry-After"] == "1" and refused.json()["error"].startswith("Too many images are waiting")


def test_nothing_is_left_on_disk_and_nothing_is_printed(client, two, tmp_path, monkeypatch, capfd):
    def contents():
        folders = (two.path, tmp_path)
        return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")}

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before, handles = contents(), len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for data in (photo(), b"text", photo()[:50], bomb(), bytes(2_000_000)):
        client.post("/predict", content=data)
    assert contents() == before and capfd.readouterr() == ("", "")
    assert not handles or len(os.listdir("/proc/self/fd")) == handles
