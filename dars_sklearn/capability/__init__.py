"""Router families: multi-output regressors of capability, ``fit(X, y)`` and ``predict(X)``.

Any scikit-learn regressor learns capability; these are those of the paper that
scikit-learn does not have. ``make_router`` makes a ready router of each.

What a family needs beyond X and y it asks for by parameters of its ``fit``: a
``DistributionalRouter`` passes ``blocks``, what the blocks of columns of y are,
and ``models``, their names, to every estimator that takes them. One that has
``decision_function(X, cost_weight=...)`` decides itself.
"""

from dars_sklearn.capability._avengers_pro import AvengersPro
from dars_sklearn.capability._embed_llm import EmbedLLM
from dars_sklearn.capability._graph_router import GraphRouter
from dars_sklearn.capability._mirt import MIRT
from dars_sklearn.capability._rm_softmax import RMSoftmax

__all__ = ["MIRT", "AvengersPro", "EmbedLLM", "GraphRouter", "RMSoftmax"]
