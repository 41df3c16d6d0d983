"""GraphRouter: edges between queries and model descriptions."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from dars_sklearn.routing.estimators._neural import (
    BaseBlockRegressor,
    document_training,
    torch_modules,
)

__all__ = ["GraphRouter"]


@document_training
class GraphRouter(BaseBlockRegressor):  # numpydoc ignore=PR04,PR07
    """Predict capability as the edge between a query and a model's description.

    The query and the description are each projected to ``dim`` dimensions. From both projections,
    their product and their absolute difference, one network predicts all target blocks. There is
    no message passing, as in the released code of the paper.

    Parameters
    ----------
    descriptions : dict or None, default=None
        Description of each model by its name: texts, which are encoded with TF-IDF of words and
        of pairs of words, or feature vectors of equal length. None uses one-hot vectors, which
        only identify the models.
    dim : int, default=128
        Number of dimensions of the projections.
    {training_parameters}

    Attributes
    ----------
    {training_attributes}

    Notes
    -----
    Texts are encoded apart from the queries, of which the estimator sees only the features. The
    released code of the paper encodes both with one encoder, and fits TF-IDF to both together.
    For the same, pass the vectors of the descriptions, as in the last example: the width of their
    space matters, since wide vectors of TF-IDF start out with hardly any difference between the
    models. There, the description of a model is its name and a sentence, such as "qwen/qwen3-32b.
    Qwen3 32B general reasoning and instruction model.", and without that sentence "Large language
    model.".

    References
    ----------
    Feng et al., "GraphRouter", arXiv 2410.03834, as configured in section "Routers" of arXiv
    2606.06924: squared error for quality, cost and risk.

    Examples
    --------
    >>> from dars_sklearn import DistributionalRouter
    >>> from dars_sklearn.routing.estimators import GraphRouter
    >>> from dars_sklearn.datasets import make_routing_outcomes
    >>> data = make_routing_outcomes(50, 3, random_state=0)
    >>> router = DistributionalRouter(GraphRouter(max_epochs=5, random_state=0))
    >>> router.fit(data.X, data.outcomes).predict(data.X).shape
    (50,)

    Queries and descriptions in the space of one encoder, as in the paper:

    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> queries = [f"question number {i}" for i in range(50)]
    >>> names = data.outcomes.models.tolist()
    >>> texts = [f"{name}. Large language model." for name in names]
    >>> encoder = TfidfVectorizer(ngram_range=(1, 2), max_features=20_000).fit(queries + texts)
    >>> vectors = dict(zip(names, encoder.transform(texts).toarray()))
    >>> router = DistributionalRouter(GraphRouter(vectors, max_epochs=5, random_state=0))
    >>> X = encoder.transform(queries)
    >>> router.fit(X, data.outcomes).predict(X[:2]).shape
    (2,)
    """

    def __init__(
        self,
        descriptions=None,
        dim=128,
        *,
        max_epochs=500,
        lr=1e-3,
        batch_size=32,
        early_stopping=True,
        validation_fraction=0.15,
        patience=20,
        device="cpu",
        callbacks=None,
        random_state=None,
    ):
        super().__init__(
            max_epochs, lr, batch_size, early_stopping, validation_fraction, patience, device,
            callbacks, random_state,
        )  # fmt: skip
        self.descriptions = descriptions
        self.dim = dim

    def _module_class(self):
        return torch_modules().GraphRouterModule

    def _module_parameters(self):
        return {"module__descriptions": self._description_features(), "module__dim": self.dim}

    def _description_features(self):
        """Return the features of the descriptions, one row per model."""
        if self.descriptions is None:
            return np.eye(self.n_models_, dtype=np.float32)
        names = self._models.tolist()
        missing = [name for name in names if name not in self.descriptions]
        if missing:
            raise ValueError(
                f"descriptions has no entry for the models {missing}; describe every model, or "
                "use descriptions=None"
            )
        features = [self.descriptions[name] for name in names]
        if all(isinstance(text, str) for text in features):
            features = TfidfVectorizer(ngram_range=(1, 2)).fit_transform(features).toarray()
        return np.asarray(features, dtype=np.float32)
