import numpy as np
import pytest
import sklearn
from known_estimators import ClassifierRecorder, EarlyStoppingRecorder
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from dars_sklearn.routing._classifier_head import (
    count_inner_folds,
    fit_classifier_head,
    predict_class_probabilities,
)

X = np.arange(8.0).reshape(4, 2)

PROBABILITY = np.array([[0.5, 0.0, 0.5], [1.0, 0.0, 0.0], [0.25, 0.0, 0.75], [0.0, 0.0, 1.0]])


def test_a_classifier_learns_each_query_once_for_each_model_that_may_be_best():
    classifier = ClassifierRecorder()
    head = fit_classifier_head(classifier, X, PROBABILITY, seed=None, fit_params={})
    np.testing.assert_array_equal(head.X_, X[[0, 0, 1, 2, 2, 3]])
    assert head.y_.tolist() == [0, 2, 0, 0, 2, 2]
    assert head.sample_weight_.tolist() == [0.5, 0.5, 1.0, 0.25, 0.75, 1.0]
    assert head.random_state is None


def test_sample_weights_multiply_the_probabilities_and_other_parameters_are_repeated():
    fit_params = {"sample_weight": [1.0, 2.0, 4.0, 8.0], "option": np.array(list("wxyz"))}
    head = fit_classifier_head(ClassifierRecorder(), X, PROBABILITY, seed=7, fit_params=fit_params)
    assert head.sample_weight_.tolist() == [0.5, 0.5, 2.0, 1.0, 3.0, 8.0]
    assert head.option_.tolist() == ["w", "w", "x", "y", "y", "z"]
    assert head.random_state == 7
    assert set(fit_params) == {"sample_weight", "option"}


def test_probabilities_of_models_that_are_never_best_are_zero():
    head = fit_classifier_head(ClassifierRecorder(), X, PROBABILITY, seed=None, fit_params={})
    probability = predict_class_probabilities(head, X[:2], 4)
    np.testing.assert_allclose(probability, [[1.75 / 4, 0, 2.25 / 4, 0]] * 2)


def test_the_last_step_of_a_pipeline_receives_the_weights():
    piped = make_pipeline(StandardScaler(), ClassifierRecorder())
    head = fit_classifier_head(piped, X, PROBABILITY, seed=7, fit_params={})
    assert head[-1].sample_weight_.tolist() == [0.5, 0.5, 1.0, 0.25, 0.75, 1.0]
    assert head[-1].random_state == 7


def test_the_last_step_of_a_pipeline_receives_the_weights_with_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        piped = make_pipeline(scaler, ClassifierRecorder())
        head = fit_classifier_head(
            piped, X, PROBABILITY, seed=None, fit_params={"sample_weight": [1.0, 2.0, 4.0, 8.0]}
        )
    assert head[-1].sample_weight_.tolist() == [0.5, 0.5, 2.0, 1.0, 3.0, 8.0]


# ---- classifiers that hold rows out, or take no weights --------------------------


@pytest.mark.parametrize(
    ("classifier", "n_folds"),
    [
        (LogisticRegression(), 0),
        (GaussianNB(), 0),
        (SVC(), 0),
        (RandomForestClassifier(), 0),
        (GradientBoostingClassifier(), 0),
        (MLPClassifier(), 0),
        (SGDClassifier(), 0),
        (HistGradientBoostingClassifier(early_stopping=False), 0),
        (make_pipeline(StandardScaler(), LogisticRegression()), 0),
        (SVC(probability=True), 5),
        (HistGradientBoostingClassifier(), 2),
        (HistGradientBoostingClassifier(early_stopping=True), 2),
        (MLPClassifier(early_stopping=True), 2),
        (SGDClassifier(early_stopping=True), 2),
        (GradientBoostingClassifier(n_iter_no_change=3), 2),
        (RandomForestClassifier(oob_score=True), 2),
        (CalibratedClassifierCV(LinearSVC()), 5),
        (CalibratedClassifierCV(LinearSVC(), cv=3), 3),
        (LogisticRegressionCV(cv=KFold(4)), 4),
        (GridSearchCV(LogisticRegression(), {"C": [1]}), 5),
        (GridSearchCV(CalibratedClassifierCV(LinearSVC(), cv=3), {"method": ["sigmoid"]}, cv=2), 5),
        (StackingClassifier([("nb", GaussianNB())], cv=[([0], [1])]), 5),
        (make_pipeline(StandardScaler(), MLPClassifier(early_stopping=True)), 2),
        (make_pipeline(StandardScaler(), GradientBoostingClassifier(n_iter_no_change=3)), 2),
    ],
    ids=str,
)
def test_parameters_tell_whether_an_estimator_holds_rows_out(classifier, n_folds):
    assert count_inner_folds(classifier) == n_folds


@pytest.mark.parametrize("early_stopping", [True, "auto"])
def test_a_classifier_that_holds_rows_out_learns_the_most_probable_model_of_each_query(
    early_stopping,
):
    classifier = EarlyStoppingRecorder(early_stopping)
    head = fit_classifier_head(classifier, X, PROBABILITY, seed=7, fit_params={})
    np.testing.assert_array_equal(head.X_, X)
    assert head.y_.tolist() == [0, 0, 2, 2]
    assert head.sample_weight_.tolist() == [0.5, 1.0, 0.75, 1.0]
    assert head.random_state == 7
    without = EarlyStoppingRecorder(early_stopping=False)
    head = fit_classifier_head(without, X, PROBABILITY, seed=7, fit_params={})
    assert len(head.y_) == 6


def test_sample_weights_multiply_the_probability_of_the_most_probable_model():
    fit_params = {"sample_weight": [1.0, 2.0, 4.0, 8.0], "option": np.array(list("wxyz"))}
    classifier = EarlyStoppingRecorder(early_stopping=True)
    head = fit_classifier_head(classifier, X, PROBABILITY, seed=7, fit_params=fit_params)
    assert head.sample_weight_.tolist() == [0.5, 2.0, 3.0, 8.0]
    assert head.option_.tolist() == list("wxyz")


def test_a_model_that_is_too_seldom_the_best_for_the_folds_is_left_out():
    probability = np.array([[0.5, 0.3, 0.2], [0.6, 0.0, 0.4], [0.0, 1.0, 0.0], [0.1, 0.4, 0.5]])
    classifier = EarlyStoppingRecorder(early_stopping=True)
    head = fit_classifier_head(classifier, X, probability, seed=7, fit_params={})
    # Model 0 is the most probable one twice, and the others once.
    assert predict_class_probabilities(head, X[:1], 3).tolist() == [[1.0, 0.0, 0.0]]
    probability[3] = [0.1, 0.5, 0.4]
    head = fit_classifier_head(classifier, X, probability, seed=7, fit_params={})
    assert head.y_.tolist() == [0, 0, 1, 1]
    assert head.sample_weight_.tolist() == [0.5, 0.6, 1.0, 0.5]


@pytest.mark.parametrize(
    "classifier",
    [KNeighborsClassifier(1), make_pipeline(StandardScaler(), KNeighborsClassifier(1))],
    ids=str,
)
def test_a_classifier_without_sample_weights_learns_the_most_probable_model(classifier):
    head = fit_classifier_head(classifier, X, PROBABILITY, seed=None, fit_params={})
    found = predict_class_probabilities(head, X, 3)
    np.testing.assert_array_equal(found, np.eye(3)[[0, 0, 2, 2]])


@pytest.mark.parametrize(
    "classifier", [LogisticRegression(), SVC(probability=True), KNeighborsClassifier(1)], ids=str
)
def test_if_one_model_is_always_the_best_it_is_always_chosen(classifier):
    probability = np.tile([0.0, 1.0, 0.0], (4, 1))
    head = fit_classifier_head(classifier, X, probability, seed=None, fit_params={})
    found = predict_class_probabilities(head, X[:2], 3)
    np.testing.assert_array_equal(found, probability[:2])


@pytest.mark.parametrize(
    "classifier",
    [LinearSVC(), SVC(), make_pipeline(StandardScaler(), LinearSVC())],
    ids=["LinearSVC", "SVC", "Pipeline"],
)
def test_a_classifier_without_probabilities_is_refused_with_the_remedy(classifier, request):
    name = request.node.callspec.id
    with pytest.raises(ValueError, match=f"{name} has no predict_proba; wrap it in Calibrated"):
        fit_classifier_head(classifier, X, PROBABILITY, seed=None, fit_params={})


# ---- with classifiers of scikit-learn --------------------------------------------


def test_a_classifier_equals_one_fitted_by_hand_on_repeated_queries():
    head = fit_classifier_head(LogisticRegression(), X, PROBABILITY, seed=None, fit_params={})
    rows, models, weight = [], [], []
    for query, model in np.ndindex(PROBABILITY.shape):
        if PROBABILITY[query, model] > 0:
            rows.append(X[query])
            models.append(model)
            weight.append(PROBABILITY[query, model])
    expected = LogisticRegression().fit(rows, models, sample_weight=weight).predict_proba(X)
    found = predict_class_probabilities(head, X, 3)
    np.testing.assert_allclose(found[:, [0, 2]], expected, atol=1e-6)
