"""Which worker of which cluster this process is, read from `TF_CONFIG` and checked. Needs no TensorFlow."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.checks import ConfigError

JOBS = ("chief", "worker")
EXPECTED = (
    'Expected such as {"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, "task": {"type": "worker", "index": 0}}, '
    "or start all workers with: python -m training.launch --workers 2"
)


@dataclass(frozen=True)
class Cluster:
    """The workers of one training, and which of them this process is.

    Attributes:
        addresses: `host:port` of each worker, the chief first.
        index: This process' place in `addresses`, from 0.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the files."""
        return self.index == 0


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """The cluster that `TF_CONFIG` describes.

    Args:
        environment: Variables of the process.

    Returns:
        None where the variable is absent or empty, or names fewer than two workers.

    Raises:
        ConfigError: It is torn, incomplete, or names a job that takes no part in synchronous training.
    """
    text = environment.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"TF_CONFIG is not JSON ({error}). {EXPECTED}. Received: {text[:80]}") from error
    jobs = _jobs(content)
    addresses = tuple(address for job in JOBS for address in jobs.get(job, []))
    if len(addresses) < 2:
        return None
    twice = sorted({address for address in addresses if addresses.count(address) > 1})
    if twice:
        raise ConfigError(f"TF_CONFIG gives the same address to two workers: {', '.join(twice)}. {EXPECTED}")
    return Cluster(addresses, _index(content, jobs))


def _jobs(content: Any) -> dict[str, list[str]]:
    jobs = content.get("cluster") if isinstance(content, dict) else None
    if not isinstance(jobs, dict) or not jobs:
        raise ConfigError(f"TF_CONFIG has no cluster. {EXPECTED}")
    for job, addresses in jobs.items():
        if job not in JOBS:
            raise ConfigError(f"TF_CONFIG names a job {job!r}; expected chief and worker only. {EXPECTED}")
        if not isinstance(addresses, list) or not all(_is_address(address) for address in addresses):
            raise ConfigError(f"TF_CONFIG: {job} must be a list of host:port. {EXPECTED}. Received: {addresses!r}")
    if len(jobs.get("chief", [])) > 1:
        raise ConfigError(f"TF_CONFIG names {len(jobs['chief'])} chiefs; expected one at most. {EXPECTED}")
    return jobs


def _is_address(value: Any) -> bool:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    return bool(host) and port.isdecimal() and 0 < int(port) < 65536


def _index(content: dict[str, Any], jobs: dict[str, list[str]]) -> int:
    """The place of this task among all workers, the chief first."""
    task = content.get("task")
    if not isinstance(task, dict) or "type" not in task or "index" not in task:
        raise ConfigError(f"TF_CONFIG does not say which task this process is. {EXPECTED}")
    kind, index = task["type"], task["index"]
    number = int(index) if isinstance(index, int | str) and str(index).isdecimal() else -1
    if kind not in jobs or not 0 <= number < len(jobs[kind]):
        known = ", ".join(f"{job} 0 to {len(addresses) - 1}" for job, addresses in jobs.items() if addresses)
        raise ConfigError(f"TF_CONFIG: this process is {kind} {index}, but the cluster has {known}. {EXPECTED}")
    return number + (len(jobs.get("chief", [])) if kind == "worker" else 0)


def check_addresses(cluster: Cluster) -> None:
    """Looks whether all hosts are known and the own port is free, before TensorFlow would wait for ever.

    Raises:
        ConfigError: Names the first address that cannot be used.
    """
    for number, address in enumerate(cluster.addresses):
        host = address.rpartition(":")[0].strip("[]")
        try:
            socket.getaddrinfo(host, None)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"TF_CONFIG: the host of worker {number}, {host}, is not known here ({reason}). Correct the address."
            ) from error
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise ConfigError(
                f"TF_CONFIG: worker {cluster.index} cannot listen on port {port} ({error.strerror}): another process "
                "does, such as a worker that was left over. End it, or choose another port."
            ) from error
