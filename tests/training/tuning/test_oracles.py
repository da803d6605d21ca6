"""The four oracles propose after a reload what they would have proposed, whatever moment the process died at."""

import json
import warnings

import keras_tuner
import pytest
from keras_tuner.engine.trial import TrialStatus
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor

from training.tuning.oracles import FAILURES, HOPELESS, KINDS, SCORE, SPENT, new_oracle, random_first
from training.tuning.start import count_points


def space(hp):
    optimizer = hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Choice("momentum", [0.0, 0.5, 0.9])
    hp.Choice("batch_size", [32, 64])
    return optimizer


def continuous(hp):
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    hp.Int("units", 1, 100)


def oracle_for(algorithm, function=space, max_trials=12, seed=0):
    oracle = new_oracle(algorithm, direction="max", max_trials=max_trials, seed=seed, max_epochs=9)
    hp = keras_tuner.HyperParameters()
    function(hp)
    oracle.update_space(hp)
    return oracle


def score(values) -> float:
    return sum(len(f"{name}{value}") * (place + 1) for place, (name, value) in enumerate(sorted(values.items()))) / 7


def search(oracle, status=TrialStatus.COMPLETED) -> list[dict]:
    """All points that an oracle proposes, each scored at once."""
    points = []
    while (trial := oracle.create_trial("tuner0")).status == TrialStatus.RUNNING:
        points.append(dict(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {SCORE: score(trial.hyperparameters.values)})
        trial.status = status
        oracle.end_trial(trial)
    return points


@pytest.mark.parametrize("algorithm", KINDS)
@pytest.mark.parametrize("function", [space, continuous])
def test_a_search_that_died_at_any_moment_proposes_the_same_trials(algorithm, function):
    slow = algorithm == "bayesian" and function is continuous  # seconds for each point of its Gaussian process
    states: list[str] = []
    max_trials = 8 if slow else 12
    first = oracle_for(algorithm, function, max_trials)
    first.keep = lambda state: states.append(json.dumps(state, allow_nan=False))
    search(first)
    expected = [(t.trial_id, t.hyperparameters.values, t.score) for t in first.trials.values()]
    assert len(states) == 2 * len(expected)
    for state in states[13:14] if slow else states[:: 1 if function is space else 3]:
        again = oracle_for(algorithm, function, max_trials)
        again.set_state(json.loads(state))
        search(again)
        assert [(t.trial_id, t.hyperparameters.values, t.score) for t in again.trials.values()] == expected


def test_a_grid_covers_exactly_the_product_and_conditions_count():
    oracle = oracle_for("grid", max_trials=None)
    assert count_points(oracle) == 8
    points = search(oracle)
    expected = [{"optimizer": "adam", "batch_size": size} for size in (32, 64)]
    expected += [{"optimizer": "sgd", "momentum": m, "batch_size": size} for m in (0.0, 0.5, 0.9) for size in (32, 64)]
    assert points == expected


@pytest.mark.parametrize("algorithm", KINDS)
def test_an_exhausted_space_ends_the_search_without_a_point_twice(algorithm):
    points = search(oracle_for(algorithm, max_trials=100))
    plain = [{k: v for k, v in point.items() if not k.startswith("tuner/")} for point in points]
    unique = {json.dumps(point, sort_keys=True) for point in plain}
    assert len(unique) == 8
    assert algorithm == "hyperband" or len(points) == 8  # hyperband trains its best points again, with more epochs


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_space_with_one_point_is_searched_once(algorithm):
    oracle = oracle_for(algorithm, lambda hp: hp.Choice("optimizer", ["adam"]))
    assert [point["optimizer"] for point in search(oracle)] == ["adam"]


def test_a_gaussian_process_at_its_bounds_says_nothing_between_the_trials(monkeypatch):
    fits = []

    def fit(process, x, y, stock=GaussianProcessRegressor.fit):
        fits.append(len(x))
        warnings.warn("close to the specified lower bound", ConvergenceWarning, stacklevel=2)
        return stock(process, x, y)

    monkeypatch.setattr(GaussianProcessRegressor, "fit", fit)
    oracle = oracle_for("bayesian", max_trials=5)
    oracle.num_initial_points = 4
    search(oracle)  # a warning would be an error here
    assert fits


def test_seed_0_is_a_seed():
    zero, again, one = (search(oracle_for("random", continuous, seed=seed)) for seed in (0, 0, 1))
    assert zero == again
    assert not {point["learning_rate"] for point in zero} & {point["learning_rate"] for point in one}


def test_failures_in_a_row_end_the_search():
    oracle = oracle_for("random", continuous, max_trials=50)
    assert len(search(oracle, TrialStatus.FAILED)) == FAILURES
    assert oracle.ended == HOPELESS


def test_a_search_that_failed_goes_on_where_somebody_wants_it_to():
    oracle = oracle_for("random", continuous, max_trials=50)
    search(oracle, TrialStatus.FAILED)
    again = oracle_for("random", continuous, max_trials=50)
    again.set_state(json.loads(json.dumps(oracle.get_state())))
    assert len(search(again, TrialStatus.FAILED)) == FAILURES and len(again.trials) == 2 * FAILURES


def test_a_grid_whose_neighbours_fail_is_searched_to_its_end():
    def wide(hp):
        hp.Choice("optimizer", ["adam", "sgd"])
        hp.Int("units", 1, FAILURES + 5)

    def statuses(trial_status):
        oracle, count = oracle_for("grid", wide, max_trials=None), 0
        while (trial := oracle.create_trial("tuner0")).status == TrialStatus.RUNNING:
            count += 1
            oracle.update_trial(trial.trial_id, {SCORE: 1.0})
            trial.status = trial_status(count)
            oracle.end_trial(trial)
        return count

    ends = {True: TrialStatus.COMPLETED, False: TrialStatus.FAILED}
    assert statuses(lambda number: ends[number <= 2]) == 2 * (FAILURES + 5)
    assert statuses(lambda number: TrialStatus.FAILED) == FAILURES


def test_no_more_than_half_of_a_bayesian_search_is_random():
    def many(hp):
        for number in range(19):
            hp.Float(f"rate_{number}", 0.0, 1.0)
        hp.Choice("fixed", [1])

    assert random_first(oracle_for("bayesian", many, max_trials=25)) == 12
    assert random_first(oracle_for("bayesian", many, max_trials=200)) == 57
    assert random_first(oracle_for("bayesian", many, max_trials=None)) == 12
    assert random_first(oracle_for("bayesian", continuous, max_trials=4)) == 3
    assert random_first(oracle_for("bayesian", lambda hp: hp.Choice("fixed", [1]), max_trials=9)) == 1


def test_no_trial_begins_when_the_time_is_over():
    oracle = oracle_for("random", continuous, max_trials=50)
    oracle.spent = lambda: len(oracle.end_order) >= 3
    assert len(search(oracle)) == 3
    assert oracle.ended == SPENT


def test_a_stock_grid_forgets_its_place():
    """Why there is a class of our own; it goes when keras-tuner's does not."""
    stock = keras_tuner.oracles.GridSearchOracle(objective=keras_tuner.Objective(SCORE, "max"))
    assert not {"ordered_ids", "populate_next", "ids"} & set(stock.get_state())
