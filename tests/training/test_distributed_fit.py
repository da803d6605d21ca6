"""The two repairs of Keras' trainer: they are still needed, apply to tested versions only, and are taken back."""

import pytest

from training.checks import ConfigError
from training.distributed_fit import repaired_fit


class Recorder:
    """A strategy that notes along which axis it is asked to reduce."""

    def reduce(self, operation, value, axis):
        self.asked = operation, axis
        return value


def test_keras_still_reduces_scalars_along_an_axis_that_they_do_not_have(monkeypatch):
    from keras.src.backend.tensorflow import trainer

    monkeypatch.setattr(trainer, "_collective_all_reduce_multi_worker", lambda strategy: True)
    strategy = Recorder()
    trainer.reduce_per_replica({"loss": 1.0}, strategy, "mean")
    assert strategy.asked == ("MEAN", 0), "Keras is mended (keras#20585): remove training/distributed_fit.py"


def test_another_version_of_keras_is_left_alone():
    from keras.src.backend.tensorflow import trainer

    before = trainer.reduce_per_replica
    with pytest.raises(ConfigError, match=r"tested with Keras 3\.15\.1\. Received: Keras 3\.99"), repaired_fit("3.99"):
        pass
    assert trainer.reduce_per_replica is before


def test_the_repairs_are_taken_back():
    from keras.src.backend.tensorflow import trainer

    before = trainer.reduce_per_replica, trainer.TensorFlowTrainer._maybe_symbolic_build
    with pytest.raises(ZeroDivisionError), repaired_fit():
        assert trainer.reduce_per_replica is not before[0]
        raise ZeroDivisionError
    assert (trainer.reduce_per_replica, trainer.TensorFlowTrainer._maybe_symbolic_build) == before
