"""From the command line to an address, and what is said when there is none."""

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.request
from contextlib import closing
from types import SimpleNamespace

import pytest

from models import build
from tests.conftest import ROOT, user_environment
from tests.training.demo.conftest import photo
from tests.training.predict.conftest import make_run
from training.checkpoint import save_model
from training.checks import ConfigError
from training.demo import command as module
from training.demo.__main__ import main
from training.demo.command import DemoConfig, listen, serve_demo
from training.run import RunError


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": 70000}, "port must lie in 0…65535. Received: port=70000."),
        ({"top_k": 0}, "top_k must be at least 1. Received: top_k=0."),
        ({"max_megabytes": 0}, "max_megabytes must be positive, at most 1000. Received: max_megabytes=0."),
        ({"max_megapixels": 101}, "max_megapixels must be positive, at most 100. Received: max_megapixels=101."),
        ({"seconds": float("nan")}, "seconds must be positive, at most 600. Received: seconds=nan."),
    ],
)
def test_settings_are_checked(settings, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        DemoConfig(run="x", **settings)


def test_the_socket_is_reached_from_this_machine_alone_and_a_taken_port_is_said():
    with closing(listen(0)) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1" and listener.family == socket.AF_INET
        with pytest.raises(ConfigError, match=f"port {port} is taken by another program. Name another"):
            serve_demo(DemoConfig(run=None, model_file="x.keras", trust=True, port=port))


def test_a_missing_extra_is_said(monkeypatch):
    monkeypatch.setattr(module, "EXTRA", ("starlette", "no_such_package"))
    with pytest.raises(ConfigError, match="needs no_such_package, not installed here. make demo installs it"):
        serve_demo(DemoConfig(run="x"))


def test_a_run_of_a_table_and_a_regression_are_refused_in_a_line(tmp_path):
    for name, shape, words in (
        ("logistic_regression", (30,), "takes no images of a fixed size"),
        ("mlp_regressor", (12, 12, 3), "is no classifier"),
    ):
        run = make_run(tmp_path / name)
        save_model(build(name, shape, 2 if len(shape) == 1 else 1), run.model, {})
        run.write_manifest()
        with pytest.raises(ConfigError, match=f"{name} {words}"):
            serve_demo(DemoConfig(run=str(run.path), port=0))


def test_what_is_no_run_is_refused(two, tmp_path):
    with pytest.raises(RunError, match="nothing"):
        serve_demo(DemoConfig(run=str(tmp_path / "nothing"), port=0))
    with pytest.raises(ConfigError, match="belongs to no run of yours"):
        serve_demo(DemoConfig(model_file=str(two.model), port=0))


@pytest.mark.parametrize("flag", ["--open", "--no-open"])
def test_a_file_from_elsewhere_is_served_and_the_browser_opened_when_asked_for(two, monkeypatch, capsys, flag):
    served, opened = [], []
    monkeypatch.setattr(module, "_app", lambda config, trained, decoder: trained)
    monkeypatch.setattr(module, "make_server", lambda app: SimpleNamespace(run=lambda sockets: served.append(app)))
    monkeypatch.setattr(module.webbrowser, "open", opened.append)
    monkeypatch.setattr(sys, "argv", ["demo", "--model-file", str(two.model), "--trust", "--port", "0", flag])
    assert main() == 0 and served[0].run is None
    out = capsys.readouterr().out
    assert out.startswith("model: 12×12 RGB, 2 classes\n<b>ill</b> from a score of 0.5 on:")
    address = re.search(r"demo: (http://127.0.0.1:\d+) \(this machine alone", out)[1]
    assert opened == ([address] if flag == "--open" else [])


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent otherwise there")
def test_the_command_answers_until_ctrl_c_and_ends_with_a_line(two, tmp_path):
    command = [sys.executable, "-m", "training.demo", str(two.path), "--port", "0"]
    environment = user_environment() | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, start_new_session=True, **pipes
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        address = re.search(r"http://127\.0\.0\.1:\d+", lines[-1])[0]
        with urllib.request.urlopen(urllib.request.Request(f"{address}/predict", photo())) as answer:
            assert answer.status == 200 and b'"scores"' in answer.read() and "server" not in answer.headers
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the decoder too
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "\nThe demo has ended; nothing was stored.\n", "")
    assert lines[1].startswith("<b>ill</b> from a score of 0.25 on: Chosen on validation.")
    assert list(tmp_path.iterdir()) == []


def test_the_extra_is_the_same_in_both_files():
    lines = (ROOT / "requirements-demo.txt").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["optional-dependencies"]["demo"] == [line for line in lines if "==" in line]
