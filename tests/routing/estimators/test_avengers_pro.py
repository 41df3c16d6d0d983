import numpy as np
import pytest
from networks import check_predicts_and_routes_well
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from dars_sklearn import DistributionalRouter
from dars_sklearn.routing.estimators import AvengersPro


@parametrize_with_checks([AvengersPro(n_clusters=8)])
def test_avengers_pro_fulfils_the_scikit_learn_contract(estimator, check):
    check(estimator)


def test_predictions_equal_those_of_k_means_and_a_loop(split):
    kmeans = KMeans(32, n_init=10, random_state=3).fit(split.X_train)
    expected = []
    for x in split.X_test:
        distances = ((kmeans.cluster_centers_ - x) ** 2).sum(axis=1)
        nearest = np.argsort(distances)[:3]
        means = [split.y_train[kmeans.labels_ == cluster].mean(axis=0) for cluster in nearest]
        expected.append(np.mean(means, axis=0))
    model = AvengersPro(random_state=3).fit(split.X_train, split.y_train)
    np.testing.assert_allclose(model.predict(split.X_test), expected)


def test_avengers_pro_predicts_better_than_the_mean_and_routes_better_than_the_best_model(split):
    model = AvengersPro(random_state=0).fit(split.X_train, split.y_train)
    check_predicts_and_routes_well(model.predict(split.X_test)[:, :3], split)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_there_are_no_more_clusters_than_distinct_queries(container):
    X = container([[0.0, 1.0], [0.0, 1.0], [2.0, 0.0]])
    model = AvengersPro(random_state=0).fit(X, [1.0, 0.0, 1.0])
    assert model.kmeans_.n_clusters == 2
    np.testing.assert_allclose(model.predict(X), 0.75)  # both clusters are among the nearest


def test_a_cluster_without_weight_takes_the_overall_mean():
    model = AvengersPro(n_clusters=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        model.fit([[0.0], [1.0], [9.0]], [1.0, 0.0, 5.0], sample_weight=[3.0, 1.0, 0.0])
    np.testing.assert_allclose(np.sort(model.cluster_means_.ravel()), [0.0, 0.75, 1.0])


def test_one_model_and_few_queries_are_enough(data):
    router = DistributionalRouter(AvengersPro())
    router.fit(data.X[:5], data.outcomes[:5].subset(["model 1"]))
    assert set(router.predict(data.X)) == {"model 1"}


@pytest.mark.parametrize("name", ["n_clusters", "n_nearest"])
def test_numbers_below_one_are_refused(data, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        AvengersPro(**{name: 0}).fit(data.X, data.quality)


def test_the_number_of_nearest_clusters_can_be_changed_after_fit(data):
    model = AvengersPro(random_state=0).fit(data.X, data.quality)
    found = model.set_params(n_nearest=1).predict(data.X)
    expected = AvengersPro(n_nearest=1, random_state=0).fit(data.X, data.quality).predict(data.X)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="n_nearest must be at least 1, got 0"):
        model.set_params(n_nearest=0).predict(data.X)
