import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from dars_sklearn.routing.estimators import NeighborsRegressorCV
from dars_sklearn.routing.estimators._fit_params import accepted_fit_params

PARAMS = {"sample_weight": [1.0], "blocks": ("quality",), "models": None}


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (Ridge(), {"sample_weight"}),
        (KNeighborsRegressor(), set()),
        (NeighborsRegressorCV(), {"sample_weight", "blocks"}),
        (make_pipeline(StandardScaler(), Ridge()), {"ridge__sample_weight"}),
        (
            Pipeline([("outer", make_pipeline(NeighborsRegressorCV()))]),
            {
                "outer__neighborsregressorcv__sample_weight",
                "outer__neighborsregressorcv__blocks",
            },
        ),
        (make_pipeline(StandardScaler(), "passthrough"), set()),
    ],
)
def test_parameters_are_those_that_the_last_step_accepts(estimator, expected):
    assert set(accepted_fit_params(estimator, **PARAMS)) == expected
