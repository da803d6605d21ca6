"""Which devices a training uses, and what is said where they are not there."""

import json
import socket
import sys

import pytest

from training.checks import ConfigError
from training.cluster import Cluster, check_addresses, read_cluster

TWO = {"worker": ["127.0.0.1:2001", "127.0.0.1:2002"]}


def config_of(cluster, task) -> dict:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_a_worker_finds_its_place():
    assert read_cluster(config_of(TWO, {"type": "worker", "index": 1})) == Cluster(tuple(TWO["worker"]), 1)


def test_a_chief_stands_before_the_workers():
    jobs = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    assert read_cluster(config_of(jobs, {"type": "worker", "index": "1"})) == Cluster(("c:3", "a:1", "b:2"), 2)
    assert read_cluster(config_of(jobs, {"type": "chief", "index": 0})).is_chief


@pytest.mark.parametrize("environment", [{}, {"TF_CONFIG": " "}, config_of({"worker": ["a:1"]}, {})])
def test_fewer_than_two_workers_are_no_cluster(environment):
    assert read_cluster(environment) is None


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TF_CONFIG": '{"cluster": {"worker"'}, "TF_CONFIG is not JSON"),
        ({"TF_CONFIG": "[1]"}, "TF_CONFIG has no cluster"),
        ({"TF_CONFIG": json.dumps({"cluster": TWO})}, "does not say which task this process is"),
        (config_of(TWO, {"type": "worker", "index": 2}), "is worker 2, but the cluster has worker 0 to 1"),
        (config_of(TWO, {"type": "chief", "index": 0}), "is chief 0, but the cluster has worker 0 to 1"),
        (config_of(TWO | {"ps": ["a:1"]}, {"type": "worker", "index": 0}), "names a job 'ps'"),
        (config_of({"worker": ["a", "b:2"]}, {"type": "worker", "index": 0}), "must be a list of host:port"),
        (config_of({"worker": ["a:1", "a:1"]}, {"type": "worker", "index": 0}), "the same address to two workers: a:1"),
    ],
)
def test_each_mistake_in_tf_config_is_named_with_an_example(environment, words):
    with pytest.raises(ConfigError) as caught:
        read_cluster(environment)
    assert words in str(caught.value) and "training.launch --workers 2" in str(caught.value)


def test_a_port_in_use_and_an_unknown_host_are_refused_before_tensorflow_would_wait():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"worker 1 cannot listen on port {port} .*another process does"):
            check_addresses(Cluster(("127.0.0.1:1", f"127.0.0.1:{port}"), 1))
    with pytest.raises(ConfigError, match="host of worker 1, no-such-host.invalid, is not known here"):
        check_addresses(Cluster(("127.0.0.1:1", "no-such-host.invalid:2"), 0))


def test_a_torn_tf_config_ends_the_command_with_one_line_and_code_2(monkeypatch, capsys):
    from evaluation.command import run_main
    from training import __main__ as command

    monkeypatch.setenv("TF_CONFIG", '{"cluster":')
    monkeypatch.setattr(sys, "argv", ["training", "--dataset", "breast_cancer", "--model", "logistic_regression"])
    assert run_main(command.main, user_errors=command.USER_ERRORS) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: TF_CONFIG is not JSON")


def test_one_device_has_no_strategy_and_says_what_it_is(monkeypatch):
    from training.devices import find_devices

    monkeypatch.delenv("TF_CONFIG", raising=False)
    for setting in ("auto", "one"):
        devices = find_devices(setting)
        assert (devices.name, devices.strategy, devices.replicas, devices.is_chief) == ("one", None, 1, True)
        assert devices.description.startswith(("1 CPU (", "1 GPU"))
        assert devices.share("batches") == "batches"


def test_more_devices_than_there_are_is_refused(monkeypatch):
    from training.devices import find_devices

    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="multiworker needs TF_CONFIG to name at least two workers"):
        find_devices("multiworker")
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind=None: [])
    monkeypatch.setattr("tensorflow.config.list_logical_devices", lambda kind: [_Cpu] if kind == "CPU" else [])
    with pytest.raises(ConfigError, match="needs at least two GPUs. Found: 1 CPU"):
        find_devices("mirrored")


class _Cpu:
    device_type = "CPU"


def test_gpu_memory_grows_as_it_is_needed(monkeypatch):
    from training.startup import grow_memory

    asked = []
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: ["gpu 0", "gpu 1"])
    monkeypatch.setattr("tensorflow.config.experimental.set_memory_growth", lambda *given: asked.append(given))
    grow_memory()
    assert asked == [("gpu 0", True), ("gpu 1", True)]
