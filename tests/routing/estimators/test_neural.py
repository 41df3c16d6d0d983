"""What the neural families share: layout of targets, training, scaling and documentation."""

import inspect
import pickle
import sys

import numpy as np
import pytest
import skorch
import torch
from networks import SEVERAL_BLOCKS, TWO_BLOCKS, fit_briefly
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate
from scipy import sparse
from sklearn.base import clone

from dars_sklearn import DistributionalRouter
from dars_sklearn.routing.estimators import MIRT, EmbedLLM, EquiRouter, GraphRouter, RMSoftmax

BLOCKS = {
    EmbedLLM: TWO_BLOCKS,
    RMSoftmax: TWO_BLOCKS,
    EquiRouter: TWO_BLOCKS,
    MIRT: SEVERAL_BLOCKS,
    GraphRouter: SEVERAL_BLOCKS,
}
every_family = pytest.mark.parametrize("family", list(BLOCKS))
every_block_family = pytest.mark.parametrize("family", [EmbedLLM, MIRT, GraphRouter])
two_block_families = pytest.mark.parametrize("family", [EmbedLLM, RMSoftmax, EquiRouter])


def fit_on(tiny, family, **parameters):
    blocks = BLOCKS[family]
    return fit_briefly(family, tiny.X, tiny.targets[len(blocks)], blocks, **parameters)


@every_family
def test_predictions_are_determined_by_the_seed(tiny, family):
    expected = fit_on(tiny, family).predict(tiny.X)
    np.testing.assert_array_equal(fit_on(tiny, family).predict(tiny.X), expected)
    assert not np.array_equal(fit_on(tiny, family, random_state=1).predict(tiny.X), expected)


@every_family
def test_a_pickled_estimator_predicts_the_same(tiny, family):
    model = fit_on(tiny, family)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(tiny.X), model.predict(tiny.X))


@every_family
def test_sparse_and_dense_features_give_the_same_predictions(tiny, family):
    blocks = BLOCKS[family]
    dense = fit_on(tiny, family).predict(tiny.X)
    X = sparse.csr_array(tiny.X)
    model = fit_briefly(family, X, tiny.targets[len(blocks)], blocks)
    np.testing.assert_allclose(model.predict(X), dense, atol=1e-6)


@every_family
def test_fitting_leaves_the_random_state_of_torch_unchanged(tiny, family):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit_on(tiny, family)
    assert torch.rand(1) == expected


@every_family
def test_every_parameter_is_cloned_and_documented_with_its_default(family):
    model = family(max_epochs=7, patience=3, device="auto", random_state=1)
    assert clone(model).get_params() == model.get_params()
    documented = {p.name: p.type for p in NumpyDocString(family.__doc__)["Parameters"]}
    parameters = inspect.signature(family).parameters
    assert list(documented) == list(parameters)
    for name, parameter in parameters.items():
        default = documented[name].partition("default=")[2]
        assert eval(default) == parameter.default, name


@every_family
def test_the_docstring_is_valid_after_the_shared_texts_are_filled_in(family):
    report = validate(f"{family.__module__}.{family.__name__}")
    assert [code for code, _ in report["errors"] if code.startswith("PR")] == []
    attributes = {p.name for p in NumpyDocString(family.__doc__)["Attributes"]}
    assert {"net_", "n_iter_", "blocks_", "n_models_", "n_features_in_"} <= attributes


def test_the_number_of_epochs_is_the_best_one_on_held_out_queries(data):
    model = MIRT(max_epochs=400, patience=5, random_state=0).fit(data.X, data.quality)
    losses = model.held_out_loss_
    assert len(losses) < 400
    assert model.n_iter_ == losses.argmin() + 1
    assert len(losses) - model.n_iter_ >= 5


def test_the_last_network_is_trained_on_all_queries_for_the_chosen_number_of_epochs(data):
    stopped = MIRT(max_epochs=40, patience=2, lr=0.01, random_state=0).fit(data.X, data.quality)
    assert stopped.n_iter_ < 40
    fixed = MIRT(max_epochs=stopped.n_iter_, early_stopping=False, lr=0.01, random_state=0)
    expected = fixed.fit(data.X, data.quality).predict(data.X)
    np.testing.assert_array_equal(stopped.predict(data.X), expected)


def test_without_early_stopping_training_lasts_max_epochs(data):
    model = MIRT(max_epochs=7, early_stopping=False).fit(data.X, data.quality)
    assert model.n_iter_ == 7
    assert model.held_out_loss_ is None


@pytest.mark.parametrize(("n_queries", "holds_out"), [(19, False), (20, True)])
def test_queries_are_held_out_only_if_there_are_at_least_20(data, n_queries, holds_out):
    model = MIRT(max_epochs=1).fit(data.X[:n_queries], data.quality[:n_queries])
    assert (model.held_out_loss_ is not None) == holds_out


class CountEpochs(skorch.callbacks.Callback):
    """Counts the epochs of all of its copies."""

    n_epochs = 0

    def on_epoch_end(self, net, **kwargs):
        CountEpochs.n_epochs += 1


def test_callbacks_of_the_user_run_during_the_training_on_all_queries(data):
    CountEpochs.n_epochs = 0
    model = MIRT(callbacks=[CountEpochs()], max_epochs=4, random_state=0)
    model.fit(data.X, data.quality)
    assert CountEpochs.n_epochs == model.n_iter_


@pytest.mark.parametrize(("has_gpu", "expected"), [(False, "cpu"), (True, "cuda")])
def test_device_auto_uses_a_gpu_if_there_is_one(tiny, monkeypatch, has_gpu, expected):
    used = []

    class NeuralNet(skorch.NeuralNet):
        def __init__(self, *args, device, **kwargs):
            used.append(device)
            super().__init__(*args, device="cpu", **kwargs)

    monkeypatch.setattr(skorch, "NeuralNet", NeuralNet)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    # Without a GPU, torch has no random state of one to save.
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    fit_on(tiny, MIRT, device="auto", max_epochs=1)
    assert used == [expected]


@every_block_family
def test_targets_outside_the_unit_interval_are_scaled_and_predictions_scaled_back(data, family):
    X, Y = data.X[:250], data.quality[:250]
    settings = {"max_epochs": 30, "lr": 0.003, "early_stopping": False, "random_state": 0}
    unscaled = family(**settings).fit(X, Y).predict(X)
    assert np.corrcoef(unscaled.ravel(), Y.ravel())[0, 1] > 0.5
    scaled = family(**settings).fit(X, 10 * Y - 3).predict(X)
    assert np.corrcoef(scaled.ravel(), Y.ravel())[0, 1] > 0.5
    assert scaled.min() < -0.5


@every_block_family
def test_constant_targets_are_predicted_as_they_are(data, family):
    X, Y = data.X[:250], np.full((250, 3), 7.0)
    model = family(max_epochs=20, lr=0.003, early_stopping=False, random_state=0).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), 7.0, atol=0.6)


def test_queries_of_weight_zero_do_not_change_the_fit(tiny):
    Y = tiny.targets[3]
    changed = np.where(np.arange(12)[:, None] < 6, Y, 1 - Y)
    weight = np.where(np.arange(12) < 6, 1.0, 0.0)
    fits = [
        MIRT(max_epochs=3, random_state=0).fit(tiny.X, targets, weight, blocks=SEVERAL_BLOCKS)
        for targets in (Y, changed)
    ]
    np.testing.assert_array_equal(fits[0].predict(tiny.X), fits[1].predict(tiny.X))


def test_columns_that_do_not_match_the_blocks_or_models_are_refused(data):
    with pytest.raises(ValueError, match="y has 3 columns, which are not 2 blocks of equal width"):
        MIRT().fit(data.X, data.quality, blocks=TWO_BLOCKS)
    with pytest.raises(ValueError, match="y has 3 columns, which are not 1 blocks of 2 models"):
        MIRT().fit(data.X, data.quality, models=["a", "b"])


@two_block_families
def test_families_without_risk_refuse_to_learn_it(data, family):
    with pytest.raises(ValueError, match=f"{family.__name__} learns .* use target='penalised'"):
        DistributionalRouter(family()).fit(data.X, data.outcomes)


@every_family
def test_five_queries_and_one_model_are_enough(data, family):
    target = "penalised" if BLOCKS[family] == TWO_BLOCKS else "capability"
    router = DistributionalRouter(family(max_epochs=2), target=target, calibration=None)
    router.fit(data.X[:5], data.outcomes[:5].subset(["model 1"]))
    assert set(router.predict(data.X)) == {"model 1"}


def test_missing_features_are_refused(data):
    with pytest.raises(ValueError, match="NaN"):
        MIRT().fit(np.where(data.X > 2, np.nan, data.X), data.quality)


@pytest.mark.parametrize("package", ["torch", "skorch"])
def test_without_torch_or_skorch_the_error_names_the_extra(monkeypatch, data, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"MIRT needs {package}, .* pip install 'dars-sklearn\[torch\]'"
    with pytest.raises(ImportError, match=message):
        MIRT().fit(data.X, data.quality)


def test_an_installed_but_broken_torch_is_reported_with_its_own_error(monkeypatch, data, tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: undefined symbol')")
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="cannot be imported .*libcudart.so: undefined symbol"):
        MIRT().fit(data.X, data.quality)
