"""The search on small drawn images: trials are what training makes of their values, and a kill changes nothing."""

import pathlib
import statistics

import pytest

from components.contracts import configuration
from components.contracts.images import Color, ImageConfig
from components.pretraining import hyperparameters, pretrain, training, tuning
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuning_config import TuningConfig

from .tasks import task_of

IMAGE = ImageConfig(size_px=16, color=Color.GRAY, center_crop_fraction=1.0)
ONLY_LEARNING_RATE = dict.fromkeys(("temperature", "augmentation_strength", "head_width", "batch_size"))


@pytest.fixture(scope="module")
def search(views, settings):
    """Search below a folder; gives the tuner, whether or not the search came to its end."""

    def search(root: pathlib.Path, search_settings: dict, **changes) -> tuning.PretrainingTuner:
        config = configuration.from_mapping(PretrainingConfig, settings(**changes), "test")
        inputs = task_of(views, root)
        small = {"enabled": True, "max_trials": 3, "epochs": 2, **search_settings}
        tuner = tuning.PretrainingTuner(
            configuration.from_mapping(TuningConfig, small, "test"), config, IMAGE, inputs, str(root / "keras_tuner")
        )
        tuner.search()
        return tuner

    return search


@pytest.fixture(scope="module")
def found(search, tmp_path_factory):
    root = tmp_path_factory.mktemp("search")
    return root, search(root, {"executions": 2, "max_trials": 2}).record()


@pytest.fixture
def trained(monkeypatch):
    """The configs of the trainings that take place."""
    configs, train = [], pretrain.train

    def spy(config, *arguments):
        configs.append(config)
        return train(config, *arguments)

    monkeypatch.setattr(pretrain, "train", spy)
    return configs


def test_the_first_trial_has_the_own_values_and_the_others_lie_around_them(found):
    _, record = found
    own, other = (trial.values for trial in record.trials)
    assert own == {
        "temperature": 0.1,
        "augmentation_strength": 1.0,
        "head_width": 32,
        "batch_size": 16,
        "learning_rate": 0.002,
    }
    assert 0.05 <= other["temperature"] <= 0.2 and other["temperature"] != 0.1
    assert 0.5 <= other["augmentation_strength"] <= 1.5 and other["augmentation_strength"] != 1
    assert other["head_width"] in (16, 32, 64)
    assert other["batch_size"] in (8, 16, 32)
    assert 0.0006 <= other["learning_rate"] <= 0.006 and other["learning_rate"] != 0.002


def test_a_trial_is_worth_the_mean_of_its_trainings_and_the_best_is_taken(found):
    _, record = found
    assert (record.epochs, record.executions, record.eval_images) == (2, 2, 24)
    for trial in record.trials:
        assert len(trial.knns) == 2
        assert trial.knn == pytest.approx(statistics.mean(trial.knns))
        assert trial.failure is None
        assert trial.seconds > 0
    scores = [trial.knn for trial in record.trials]
    assert record.best == 1 + scores.index(max(scores))


def test_trials_are_ordinary_trainings_on_the_eval_split(found, views, settings, tmp_path):
    _, record = found
    trial = record.trials[1]
    config = configuration.from_mapping(PretrainingConfig, settings(), "test")
    config = hyperparameters.shortened(hyperparameters.apply(config, trial.values, "x"), 2, execution=1)
    assert pretrain.pretrain(config, IMAGE, task_of(views, tmp_path)).history[-1].knn == trial.knns[1]


def test_of_a_finished_training_only_the_result_is_kept(found):
    root, record = found
    folders = list((root / "checkpoints").iterdir())
    assert {folder.name for folder in folders} == set(record.checkpoint_directories)
    assert len(folders) == 4
    assert all([path.name for path in folder.iterdir()] == ["trial.json"] for folder in folders)


def test_finished_trials_are_not_trained_again(search, found, trained):
    root, record = found
    assert search(root, {"executions": 2, "max_trials": 2}).record() == record
    assert trained == []


def test_another_seed_tries_other_values(search, found, tmp_path):
    _, record = found
    other = search(tmp_path, {"epochs": 1, "seed": 1, "max_trials": 2}).record()
    assert other.trials[0].values == record.trials[0].values
    assert other.trials[1].values != record.trials[1].values


def test_a_killed_search_goes_on_where_it_was(search, trained, monkeypatch, tmp_path):
    """The third trial is the first that the Gaussian process proposes for one parameter."""
    settings = {"oracle": "bayesian", **ONLY_LEARNING_RATE}
    whole = search(tmp_path / "whole", settings).record()
    assert len(trained) == 3
    trained.clear()
    after_step, steps = training._Loop._after_step, []

    def killed(loop, result):
        after_step(loop, result)
        steps.append(loop.progress.step)
        if len(steps) == 4 + 3:  # four steps per trial; a checkpoint is written every third step
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Loop, "_after_step", killed)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "killed", settings)
    assert len(trained) == 2
    trained.clear()
    steps.clear()
    monkeypatch.setattr(training._Loop, "_after_step", lambda loop, result: (after_step(loop, result), steps.append(1)))
    goes_on = search(tmp_path / "killed", settings).record()
    assert len(trained) == 2
    assert len(steps) == 1 + 4
    assert [trial.values for trial in goes_on.trials] == [trial.values for trial in whole.trials]
    assert [trial.knn for trial in goes_on.trials] == [trial.knn for trial in whole.trials]


def test_a_trial_that_blows_up_fails_and_the_search_goes_on(search, tmp_path):
    # A decay of 1 times a rate of up to 100 multiplies the weights by up to -99 in each step.
    diverging = {"name": "sgd", "learning_rate": 0.1, "scaling": "none", "weight_decay": 1.0}
    settings = {"epochs": 20, **ONLY_LEARNING_RATE, "learning_rate": [1.0, 1000.0]}
    patient = {"chance_fraction": 1.0, "min_std_fraction": 0.0, "min_effective_rank": 0.0}
    record = search(tmp_path, settings, optimizer=diverging, watch=patient, epochs=20).record()
    failed = [trial for trial in record.trials if trial.failure]
    assert failed and len(record.trials) == 3
    for trial in failed:
        assert "is not finite" in trial.failure
        assert (trial.knn, trial.knns) == (None, (None,))
        assert trial.seconds > 0
        assert trial.trial != record.best
    assert record.trials[0].failure is None


def test_a_search_in_which_every_trial_fails_is_an_error_that_says_so(search, trained, tmp_path):
    collapsed = {"min_effective_rank": 1000.0, "window_epochs": 1}
    for _ in range(2):
        with pytest.raises(tuning.TuningFailedError, match=r"all 3 trials of the Tuner failed; .*effective_rank"):
            search(tmp_path, {}, watch=collapsed)
    assert len(trained) == 3  # of the first search; its failures are remembered too


def test_an_error_that_is_none_of_learning_ends_the_search(search, monkeypatch, tmp_path):
    def broken(*_):
        raise TypeError("no such argument")

    monkeypatch.setattr(training, "train", broken)
    with pytest.raises(Exception, match="trial 1 of the Tuner: no such argument") as error:
        search(tmp_path, {})
    assert isinstance(error.value.__cause__, TypeError)


def test_a_batch_larger_than_the_train_split_is_refused_before_any_trial(search, trained, tmp_path):
    with pytest.raises(ValueError, match=r"tuning\.batch_size: 64 cannot be tried: .*split train has only 40 images"):
        search(tmp_path, {"batch_size": [1.0, 4.0]})
    assert trained == []


def test_a_head_as_wide_as_the_representation_is_tuned_around_that(search, tmp_path):
    head = {"layers": 2, "output_width": 16}
    record = search(tmp_path, {"max_trials": 1, "epochs": 1}, projection_head=head).record()
    assert record.trials[0].values["head_width"] == 512  # 4 x 4 places of 32 channels
