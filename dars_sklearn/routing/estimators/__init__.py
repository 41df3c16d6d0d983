"""Router families: multi-output regressors that learn the capability of models.

Any scikit-learn regressor can learn capability inside a ``DistributionalRouter``. The estimators
here are the router families of the paper that scikit-learn does not have, and EquiRouter;
``make_router`` returns a router for each of them. ``NeighborsRegressorCV`` chooses its number of
neighbours for routing, and ``StagedRegressor`` begins with known groups of queries.

An estimator can receive the layout of its targets through parameters of its ``fit``: a
``DistributionalRouter`` passes ``blocks``, the names of the target blocks, ``models``, the names of
the models, and ``cost_weight``, its cost weight, to every estimator whose ``fit`` accepts them. An
estimator with a ``decision_function(X, cost_weight=...)`` has its own decision rule, which the
router then follows.

As with the estimators of scikit-learn, parameters that are changed after fit have no effect before
the next fit, except ``AvengersPro.n_nearest``, which is used in ``predict``.
"""

from dars_sklearn.routing.estimators._avengers_pro import AvengersPro
from dars_sklearn.routing.estimators._embed_llm import EmbedLLM
from dars_sklearn.routing.estimators._equi_router import EquiRouter
from dars_sklearn.routing.estimators._graph_router import GraphRouter
from dars_sklearn.routing.estimators._mirt import MIRT
from dars_sklearn.routing.estimators._neighbors_cv import NeighborsRegressorCV
from dars_sklearn.routing.estimators._rm_softmax import RMSoftmax
from dars_sklearn.routing.estimators._staged import StagedRegressor

__all__ = [
    "MIRT",
    "AvengersPro",
    "EmbedLLM",
    "EquiRouter",
    "GraphRouter",
    "NeighborsRegressorCV",
    "RMSoftmax",
    "StagedRegressor",
]
