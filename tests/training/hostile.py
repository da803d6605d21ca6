"""How model files that attack whoever loads them are made: a small honest model with one part exchanged.

Whatever could run code writes a canary, a file that must never appear. `hostile_cases` lists them all.
"""

import functools
import io
import json
import os
import stat
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras

from training.checkpoint import save_model

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
Make = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Hostile:
    """One attack.

    Attributes:
        name: What it is.
        words: Stand in the refusal.
        make: Writes it, given its path and that of the canary.
    """

    name: str
    words: str
    make: Make


@functools.cache
def honest() -> dict[str, bytes]:
    """The members of a small model that passes."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"honest-{os.getpid()}.keras"
    image, dense = keras.Input((4, 4, 3), name="image"), keras.layers.Dense(3, name="scores")
    model = keras.Model(image, dense(keras.layers.Flatten(name="flat")(image)))
    try:
        save_model(model, path, {"class_names": ["a", "b", "c"]})
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    finally:
        path.unlink(missing_ok=True)


def write(path: Path, members: dict[str, bytes], **options: Any) -> None:
    """A zip archive of these members."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def with_member(name: str, content: bytes) -> Make:
    """The honest model with one more member, or another content of one."""
    return lambda path, canary: write(path, honest() | {name: content})


def without(name: str) -> Make:
    """The honest model without one of its members."""
    return lambda path, canary: write(path, {key: value for key, value in honest().items() if key != name})


def with_config(change: Callable[[dict, Path], Any]) -> Make:
    """The honest model with a config that `change` edits, given the canary."""

    def make(path: Path, canary: Path) -> None:
        config = json.loads(honest()[CONFIG])
        changed = change(config, canary)
        write(path, honest() | {CONFIG: json.dumps(config if changed is None else changed).encode()})

    return make


def with_weights(change: Callable[[h5py.File], Any]) -> Make:
    """The honest model with a weights file that `change` edits."""

    def make(path: Path, canary: Path) -> None:
        content = io.BytesIO(honest()[WEIGHTS])
        with h5py.File(content, "a") as file:
            change(file)
        write(path, honest() | {WEIGHTS: content.getvalue()})

    return make


def entry(class_name: str, module: str = "keras.layers", registered: str | None = None, **settings: Any) -> dict:
    """An object as Keras writes it into a config."""
    named = {"module": module, "class_name": class_name, "registered_name": registered}
    return named | {"config": settings, "name": settings.get("name", "evil"), "inbound_nodes": []}


def function(name: str, module: str = "builtins") -> dict:
    """A function as Keras writes it into a config."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def sequence(*layers: dict, shape: tuple[int, ...] = (4, 4, 3)) -> Callable[[dict, Path], dict]:
    """A config of these layers, one after the other."""
    image = entry("InputLayer", batch_shape=[None, *shape], dtype="float32", name="image")
    return lambda config, canary: entry("Sequential", "keras", name="net", layers=[image, *layers])


def with_layer(*layers: dict, shape: tuple[int, ...] = (4, 4, 3)) -> Make:
    """A model of these layers whose weights are those of another."""
    return with_config(sequence(*layers, shape=shape))


def lambda_model(canary: Path) -> keras.Model:
    """A model that writes the canary whenever it is built, by bytecode that Keras stores in the file."""

    attack = eval(f"lambda x: (__import__('pathlib').Path({str(canary)!r}).write_text('code ran'), x)[1]")
    return keras.Sequential([keras.Input((4,)), keras.layers.Lambda(attack, name="evil")])


def marshalled(path: Path, canary: Path) -> None:
    """A Lambda layer with bytecode."""
    lambda_model(canary).save(path)
    canary.unlink()


def nested(path: Path, canary: Path) -> None:
    """The same in a Sequential model within a functional one."""
    image = keras.Input((4,), name="image")
    keras.Model(image, keras.layers.Dense(2)(lambda_model(canary)(image))).save(path)
    canary.unlink()


def bytecode(path: Path, canary: Path) -> None:
    """Keras' form of a bare lambda, as an activation."""
    marshalled(path, canary)
    with zipfile.ZipFile(path) as archive:
        code = json.loads(archive.read(CONFIG))["config"]["layers"][1]["config"]["function"]
    with_layer(entry("Activation", activation=code))(path, canary)


def saved_model(path: Path, canary: Path) -> None:
    """A TFSMLayer and the program that it would run, beside it."""
    import tensorflow as tf

    module, folder = tf.Module(), path.parent / "program"

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def attack(x):
        tf.io.write_file(str(canary), "program ran")
        return x

    module.serve = attack
    tf.saved_model.save(module, str(folder), signatures={"serving_default": attack})
    layer = entry("TFSMLayer", filepath=str(folder), call_endpoint="serve", name="evil")
    with_layer(layer, shape=(4,))(path, canary)


def compiled(path: Path, canary: Path) -> None:
    """An attack in the settings of training, which are kept beside the layers."""
    shell = entry("system", "os", command=f"touch {canary}")
    with_config(lambda config, _: config.update(compile_config={"optimizer": shell}))(path, canary)


def commanding(module: str, name: str) -> Make:
    """A class path that leads to a function of Python."""
    return with_config(lambda config, canary: sequence(entry(name, module, command=f"touch {canary}"))(config, canary))


def pickled(path: Path, canary: Path) -> None:
    """A TorchModuleWrapper whose pickle runs a command."""
    import base64
    import pickle

    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    content = base64.b64encode(pickle.dumps(Attack())).decode()
    module = {"class_name": "__bytes__", "config": {"value": content}}
    with_layer(entry("TorchModuleWrapper", module=module, name="evil"))(path, canary)


def link(path: Path, canary: Path) -> None:
    """The weights as a symbolic link in the archive."""
    member = zipfile.ZipInfo(WEIGHTS)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    without(WEIGHTS)(path, canary)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "/etc/passwd")


def pipe(path: Path, canary: Path) -> None:
    """A link to a pipe, whose reading never ends."""
    os.mkfifo(path.parent / "pipe")
    path.symlink_to(path.parent / "pipe")


def twice(path: Path, canary: Path) -> None:
    """Two members of one name: which one counts is up to the reader."""
    write(path, honest())
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        archive.writestr(CONFIG, honest()[CONFIG])


def lying(path: Path, canary: Path) -> None:
    """A member whose declared size is 100 GB, in the archive's list of members."""
    write(path, honest())
    content = bytearray(path.read_bytes())
    at = content.rindex(WEIGHTS.encode()) - 46
    content[at + 20 : at + 28] = (100_000_000).to_bytes(4, "little") * 2
    path.write_bytes(content)


def replaced(file: h5py.File, name: str, content: Any) -> None:
    """Puts something else where the kernel was."""
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"][name] = content


def external(file: h5py.File) -> None:
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (48, 3), "float32", external=[("/etc/passwd", 0, 576)])


def virtual(file: h5py.File) -> None:
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((48, 3), "float32")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (48, 3))
    file["layers/dense/vars"].create_virtual_dataset("0", layout)


def text(file: h5py.File) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", data=["x"], dtype=h5py.string_dtype())


def reference(file: h5py.File) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", data=[file["layers"].ref], dtype=h5py.ref_dtype)


def laughs(*, shared: bool = False) -> Make:
    """Models within models, each called ten times: 10 to the 8 calls of a layer; `shared`: named by number, as 1.0."""
    node = {"args": [{"class_name": "__keras_tensor__", "config": {}}], "kwargs": {}}
    inner = entry("Activation", activation="relu") | {"inbound_nodes": [node] * 10}
    models = []
    for number in range(7):
        inner = entry("Functional", "keras.src.models.functional", "Functional", layers=[inner])
        inner |= {"inbound_nodes": [node] * 10} | ({"shared_object_id": number} if shared else {})
        if shared:
            models.append(inner)
            inner = inner | {"config": {}, "shared_object_id": float(number)}
    if shared:
        return with_config(lambda config, canary: config["config"]["layers"].extend(models))
    return with_config(lambda config, canary: inner | {"inbound_nodes": []})


def deep(levels: int) -> Make:
    """A config nested beyond what Python's parser, or Keras, reads."""
    lists = b"[" * levels + b"]" * levels
    return with_member(CONFIG, honest()[CONFIG].replace(b'"units": 3', b'"units": ' + lists))


def eager(path: Path, canary: Path) -> None:
    """An addition of constants, computed at once while the graph is read: 10 GB from a few bytes."""
    values = {"class_name": "__numpy__", "config": {"value": [[1.0]] * 50_000, "dtype": "float32"}}
    turned = {"class_name": "__numpy__", "config": {"value": [[1.0] * 50_000], "dtype": "float32"}}
    adding = entry("Add", "keras.src.ops.numpy", "Add", name="evil")
    adding["inbound_nodes"] = [{"args": [values, turned], "kwargs": {}}]
    with_config(lambda config, _: config["config"]["layers"].append(adding))(path, canary)


def beside(**change: Any) -> Make:
    """Constants alone, with a mention of a tensor where Keras passes over it."""

    def edit(config: dict, _: Path) -> None:
        numbers = [{"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "float32"}}] * 2
        adding = entry("Add", "keras.src.ops.numpy", "Add", name="evil")
        adding["inbound_nodes"] = [{"args": numbers, "kwargs": {}} | change]
        config["config"]["layers"].append(adding)

    return with_config(edit)


def argument(value: Any) -> Make:
    """An object that is made because it is an argument of a call."""

    def edit(config: dict, _: Path) -> None:
        dropout = entry("Dropout", name="evil", rate=0.1)
        tensor = {"shape": [None, 48], "dtype": "float32", "keras_history": ["flat", 0, 0]}
        call = {"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {"training": value}}
        config["config"]["layers"].append(dropout | {"inbound_nodes": [call]})

    return with_config(edit)


def lost(config: dict, canary: Path) -> None:
    """A layer that nothing is connected to, and that Keras builds all the same: 800 GB."""
    dense = entry("Dense", name="lost", units=10**6) | {"build_config": {"input_shape": [None, 200_000]}}
    config["config"]["layers"].append(dense)


def compiled_within(config: dict, canary: Path) -> None:
    """The settings of training of a model within the model, which Keras carries out."""
    inner = sequence(entry("Flatten", name="f"))(config, canary)
    config["config"]["layers"].append(inner | {"name": "inner", "compile_config": {"metrics": [AUC]}})


HUGE = 10**6
AUC = {"module": "keras.metrics", "class_name": "AUC", "registered_name": None, "config": {"num_thresholds": 10**9}}
TENSOR = {"class_name": "__keras_tensor__"}
TEXT = {"class_name": "__numpy__", "config": {"value": ["x"], "dtype": "S1000000000"}}
NORMAL = entry("Normalization", axis=-1, mean=0.0, variance=1.0) | {"build_config": {"input_shape": [None, 10**10]}}
