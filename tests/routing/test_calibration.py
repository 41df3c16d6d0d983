import numpy as np
import pytest

from dars_sklearn import Outcomes
from dars_sklearn.routing._calibration import (
    BlockCalibration,
    Calibration,
    calibrate,
    fit_calibration,
    fit_calibrations,
    predict_held_out,
)
from dars_sklearn.routing._held_out import FoldPrediction, HeldOut, Observed

MODELS = np.array(["a", "b"], dtype=object)


def block_of(own, *, shared=1.0, means=(0.6, 0.4), explained=0.1):
    own = np.array(own, dtype=float)
    zeros = np.zeros((len(means), len(means)))
    covariance = None if own.ndim == 2 else np.zeros((len(own), len(own)))
    return BlockCalibration(
        np.array(means), shared, own, np.full(own.shape, 0.2), explained, covariance, zeros
    )


def calibration_of(own, *, reliability=0.5, n_folds=5, **settings):
    components = ["estimator"] if len(own) == 1 else ["task", "features"]
    blocks = {"quality": block_of(own, **settings)}
    return Calibration(blocks, components, MODELS, reliability, 40, n_folds)


def held_out_of(deviations, values, precision=None, *, means=0.0, n_folds=1):
    values = np.asarray(values, dtype=float)
    precision = np.ones(values.shape) if precision is None else precision
    return HeldOut(
        Observed(values, precision),
        np.arange(len(values)),
        np.asarray(deviations, dtype=float),
        np.broadcast_to(means, values.shape),
        n_folds,
    )


# ---- predictions from slopes, by hand --------------------------------------------


def test_the_common_part_and_the_differences_have_slopes_of_their_own():
    block = block_of([0.5], shared=0.25)
    deviations = np.array([[[0.3, 0.1], [-0.2, 0.2]]])  # means over models 0.2 and 0
    expected = [[0.6 + 0.05 + 0.05, 0.4 + 0.05 - 0.05], [0.6 - 0.1, 0.4 + 0.1]]
    np.testing.assert_allclose(calibrate(block, deviations), expected)


def test_components_have_slopes_of_their_own():
    block = block_of([1.0, 0.0], shared=0.5)
    deviations = np.array([[[0.3, 0.1]], [[0.0, 0.4]]])  # means 0.2 and 0.2
    np.testing.assert_allclose(calibrate(block, deviations), [[0.6 + 0.2 + 0.1, 0.4 + 0.2 - 0.1]])


def test_each_model_can_have_slopes_of_its_own():
    block = block_of([[1.0, 0.0], [0.5, 0.25]], shared=np.nan)
    deviations = np.array([[[0.3, 0.1]], [[0.2, 0.4]]])
    np.testing.assert_allclose(calibrate(block, deviations), [[0.6 + 0.3 + 0.1, 0.4 + 0.1]])


def test_a_calibration_predicts_all_quantities():
    blocks = {"quality": block_of([0.5]), "cost": block_of([[0.0, 0.0]], means=(1.0, 2.0))}
    calibration = Calibration(blocks, ["estimator"], MODELS, np.nan, 3, 5)
    deviations = {name: np.full((1, 3, 2), 0.1) for name in blocks}
    predicted = calibration.predict(deviations)
    np.testing.assert_allclose(predicted["quality"], np.tile([0.7, 0.5], (3, 1)))
    np.testing.assert_allclose(predicted["cost"], np.tile([1.0, 2.0], (3, 1)))


# ---- estimation of slopes --------------------------------------------------------


def simulated(seed=0, *, n=300, own=0.4, shared=0.7, noise=0.2):
    rng = np.random.default_rng(seed)
    deviations = rng.normal(size=(1, n, 3))
    common = deviations.mean(axis=2, keepdims=True)
    signal = shared * common[0] + own * (deviations - common)[0]
    return deviations, [0.5, 0.6, 0.7] + signal + noise * rng.normal(size=(n, 3))


def test_two_slopes_of_complete_tables_are_ratios_of_covariances_and_variances():
    deviations, values = simulated()
    block = fit_calibration(held_out_of(deviations, values, means=[0.5, 0.6, 0.7]))
    observed, predicted = values - [0.5, 0.6, 0.7], deviations[0]
    parts = [table.mean(axis=1, keepdims=True) for table in (observed, predicted)]
    differences = [observed - parts[0], predicted - parts[1]]
    assert block.shared == pytest.approx((parts[0] * parts[1]).sum() / (parts[1] ** 2).sum())
    own = (differences[0] * differences[1]).sum() / (differences[1] ** 2).sum()
    assert block.own == pytest.approx([own])
    residuals = differences[0] - own * differences[1]
    explained = 1 - (residuals**2).sum() / (differences[0] ** 2).sum()
    assert block.explained == pytest.approx(explained)
    score = (residuals * differences[1]).sum(axis=1)
    error = np.sqrt((score**2).sum()) / (differences[1] ** 2).sum()
    assert block.standard_error == pytest.approx([error])
    assert block.covariance == pytest.approx(np.array([[error**2]]))
    np.testing.assert_allclose(block.means, values.mean(axis=0))


def test_slopes_are_within_0_and_1():
    deviations, values = simulated(own=-0.5, shared=1.6)
    block = fit_calibration(held_out_of(deviations, values))
    assert (block.shared, block.own.tolist()) == (1.0, [0.0])
    assert block.explained == 0


def test_slopes_by_model_are_regressions_of_one_model_each():
    deviations, values = simulated()
    held_out = held_out_of(deviations, values, means=[0.5, 0.6, 0.7])
    block = fit_calibration(held_out, by_model=True)
    observed, predicted = values - [0.5, 0.6, 0.7], deviations[0]
    expected = (observed * predicted).sum(axis=0) / (predicted**2).sum(axis=0)
    np.testing.assert_allclose(block.own, expected[None])
    assert np.isnan(block.shared)
    assert block.covariance is None


def test_two_components_recover_their_slopes():
    rng = np.random.default_rng(0)
    deviations = rng.normal(size=(2, 2000, 3))
    values = np.tensordot([0.8, 0.2], deviations, axes=1) + 0.3 * rng.normal(size=(2000, 3))
    block = fit_calibration(held_out_of(deviations, values))
    np.testing.assert_allclose(block.own, [0.8, 0.2], atol=0.03)


def test_values_that_were_not_observed_do_not_count():
    deviations, values = simulated(n=60)
    precision = np.ones(values.shape)
    precision[:20, 1] = 0
    other = np.where(precision > 0, values, 1e6)
    first, second = (
        fit_calibration(held_out_of(deviations, v, precision)) for v in (values, other)
    )
    assert first.own == pytest.approx(second.own)
    assert first.explained == pytest.approx(second.explained)


@pytest.mark.parametrize("by_model", [False, True])
def test_without_held_out_queries_the_slopes_of_each_component_are_0(by_model):
    values = np.array([[0.5, 0.7], [0.7, 0.7]])
    held_out = HeldOut.concatenate(Observed(values, np.ones((2, 2))), [], [])
    block = fit_calibration(held_out, by_model=by_model, n_components=2)
    assert block.own.shape == ((2, 2) if by_model else (2,))
    assert not block.own.any()
    np.testing.assert_allclose(calibrate(block, np.ones((2, 1, 2))), [[0.6, 0.7]])


def test_one_model_has_no_differences():
    deviations, values = simulated(n=50)
    block = fit_calibration(held_out_of(deviations[:, :, :1], values[:, :1] - 0.5))
    assert np.isnan(block.explained)
    assert block.own.tolist() == [0]


# ---- folds -----------------------------------------------------------------------


def test_folds_are_put_together_and_predicted_with_their_own_means():
    values = np.array([[0.2, 0.4], [0.6, 0.8], [0.5, 0.9], [0.0, 0.0]])
    folds = [
        FoldPrediction(np.array([[[0.1, 0.3]]]), np.array([0.5, 0.6])),
        FoldPrediction(np.array([[[0.0, 0.0], [0.2, -0.2]]]), np.array([0.3, 0.4])),
    ]
    rows = [np.array([2]), np.array([0, 1])]
    held_out = HeldOut.concatenate(Observed(values, np.ones((4, 2))), rows, folds)
    assert held_out.n_folds == 2
    assert held_out.rows.tolist() == [2, 0, 1]
    assert held_out.deviations.shape == (1, 3, 2)
    np.testing.assert_allclose(held_out.means, [[0.5, 0.6], [0.3, 0.4], [0.3, 0.4]])
    predicted = predict_held_out(held_out, block_of([1.0], means=(0.35, 0.45)))
    expected = [[0.3, 0.4], [0.5, 0.2], [0.6, 0.9], [0.35, 0.45]]  # the last is in no fold
    np.testing.assert_allclose(predicted, expected)


# ---- what is said ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("calibration", "text"),
    [
        (calibration_of([0.5]), "are multiplied by 0.50; out of fold they explain 10.0% of the "
         "observed differences, of which 50% are not noise"),
        (calibration_of([0.5, 1.0]), "are multiplied by 0.50 (task), 1.00 (features); "),
        (calibration_of([0.5], reliability=np.nan), "of the observed differences"),
        (calibration_of([0.5], explained=np.nan), "are multiplied by 0.50"),
        (calibration_of([0.0]), "say nothing about held-out queries: the router always chooses "
         "the best model on average at its weights"),
        (calibration_of([0.0], n_folds=0), "No query could be held out: the router always "
         "chooses the best model on average"),
    ],
)  # fmt: skip
def test_a_calibration_says_how_far_differences_are_believed(calibration, text):
    assert text in calibration.describe()
    assert repr(calibration).startswith("Calibration on 40 held-out queries, ")
    assert text in repr(calibration)
    assert text in calibration._repr_html_()


def test_unknown_shares_are_not_named():
    assert "noise" not in calibration_of([0.5], reliability=np.nan).describe()
    assert calibration_of([0.5], explained=np.nan).describe().endswith("by 0.50")


def test_slopes_are_a_table_by_quantity_and_component():
    outcomes = Outcomes.from_array(np.zeros((50, 3)), models=["a", "b", "c"])
    deviations, values = simulated(n=50)
    deviations = np.concatenate([deviations, deviations[:, ::-1]])
    held_out = dict.fromkeys(["quality", "cost"], held_out_of(deviations, values - 0.6))
    calibration = fit_calibrations(
        held_out, ["task", "features"], outcomes, "balanced", np.arange(50)
    )
    table = calibration.slopes
    assert table.index.names == ["quantity", "component"]
    assert table.columns.tolist() == ["shared", "own", "standard_error"]
    quality, cost = calibration.blocks["quality"], calibration.blocks["cost"]
    assert table.loc["quality", "own"].tolist() == quality.own.tolist()
    np.testing.assert_allclose(table.loc["cost", "own"], cost.own.mean(axis=1))
    assert table.loc["cost", "shared"].isna().all()
    assert calibration.n_queries == 50
    assert np.isnan(calibration.reliability)  # one outcome per pair
