"""Base classes of the neural router families: validation, scaling of targets, and training."""

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from dars_sklearn.utils._docs import fill_docstring
from dars_sklearn.utils._optional import import_optional
from dars_sklearn.utils._validation import check_sample_weight

# With fewer queries the loss of the held-out ones is too noisy to stop on.
_MIN_QUERIES_TO_HOLD_OUT = 20

TRAINING_PARAMETERS = """
max_epochs : int, default=500
    Maximum number of epochs.
lr : float, default=1e-3
    Learning rate of the Adam optimizer.
batch_size : int, default=32
    Number of queries per batch.
early_stopping : bool, default=True
    Whether to find the number of epochs on held-out queries: training stops when the error there
    of the differences between the models, which is all that routes depend on, has not improved
    for ``patience`` epochs; then a new network is trained on all queries, for as many epochs as
    were best. With fewer than 20 queries, none is held out.
validation_fraction : float, default=0.15
    Fraction of the queries that is held out for early stopping.
patience : int, default=20
    Number of epochs without improvement after which training stops.
device : {"cpu", "cuda", "auto"}, default="cpu"
    Device to compute on; "auto" uses a GPU if one is available.
callbacks : list of skorch.callbacks.Callback or None, default=None
    Additional skorch callbacks, such as ``skorch.callbacks.ProgressBar()``, of the training on
    all queries.
random_state : int, RandomState instance or None, default=None
    Controls the initial weights, the order of the batches, and the choice of the held-out
    queries. Pass an int for reproducible results.
"""

TRAINING_ATTRIBUTES = """
net_ : skorch.NeuralNet
    The fitted network.
n_iter_ : int
    Number of epochs that the network was trained for.
held_out_loss_ : ndarray of shape (n_epochs,) or None
    Loss of the held-out queries after each epoch, from which ``n_iter_`` was chosen; None where
    none was held out.
blocks_ : tuple of str
    Names of the target blocks.
n_models_ : int
    Number of models, which is the number of columns of each target block.
n_features_in_ : int
    Number of features seen in fit.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Names of the features seen in fit, if X had string column names.
"""

document_training = fill_docstring(
    training_parameters=TRAINING_PARAMETERS, training_attributes=TRAINING_ATTRIBUTES
)


class BaseNeuralEstimator(BaseEstimator):
    """Base class of estimators that train a network with skorch.

    A subclass defines ``_train(X, targets, weight)``, which calls ``_fit_network``, and
    ``_predict_targets(X)``. Targets have shape (n_queries, n_blocks, n_models). The parameters are
    documented in ``TRAINING_PARAMETERS``.
    """

    # Largest number of target blocks that the family can learn.
    _max_blocks = np.inf

    def __init__(
        self, max_epochs, lr, batch_size, early_stopping, validation_fraction, patience, device,
        callbacks, random_state,
    ):  # fmt: skip
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.callbacks = callbacks
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, *, blocks=None, models=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.
        y : array-like of shape (n_queries,) or (n_queries, n_blocks * n_models)
            Targets: the target blocks side by side, each with one column per model.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weight of each query in the loss.
        blocks : sequence of str or None, default=None
            Names of the target blocks, such as ("quality", "cost", "risk"); None treats all
            columns as quality. A ``DistributionalRouter`` passes them.
        models : array-like of shape (n_models,) or None, default=None
            Names of the models. A ``DistributionalRouter`` passes them.

        Returns
        -------
        object
            The fitted estimator itself.

        Raises
        ------
        ImportError
            If torch or skorch is not installed.
        ValueError
            If the columns of y do not match blocks and models, or if the family cannot learn so
            many blocks.
        """
        for package in ("torch", "skorch"):
            import_optional(package, extra="torch", needed_by=type(self).__name__)
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, dtype=np.float32
        )
        weight = check_sample_weight(sample_weight, len(y), dtype=np.float32)
        self._y_is_1d = y.ndim == 1
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        self._set_layout(y.shape[1], blocks, models)
        self._train(to_dense(X), y.reshape(len(y), len(self.blocks_), self.n_models_), weight)
        return self

    def predict(self, X):
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features of the queries.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_blocks * n_models)
            Predicted targets, in the shape and order of y in fit.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        prediction = self._predict_targets(to_dense(X)).reshape(X.shape[0], -1)
        return prediction.ravel() if self._y_is_1d else prediction

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags

    def _set_layout(self, n_columns, blocks, models):
        """Set the names of the target blocks and models, checked against the columns of y."""
        self.blocks_ = ("quality",) if blocks is None else tuple(blocks)
        n_blocks = len(self.blocks_)
        self.n_models_ = n_columns // n_blocks
        if n_columns % n_blocks or (models is not None and len(models) != self.n_models_):
            raise ValueError(
                f"y has {n_columns} columns, which are not {n_blocks} blocks of "
                f"{'equal width' if models is None else f'{len(models)} models'}"
            )
        if n_blocks > self._max_blocks:
            raise ValueError(
                f"{type(self).__name__} learns quality and cost only, got the target blocks "
                f"{self.blocks_}; use target='penalised'"
            )
        self._models = np.arange(self.n_models_) if models is None else np.asarray(models)

    def _fit_network(self, module, criterion, X, target, weight, groups=None, **parameters):
        """Fit a skorch network, without changing torch's global random state.

        Rows of the same group are held out together. In evaluation mode, the criterion is the
        loss by which the number of epochs is chosen.
        """
        import torch
        from skorch import NeuralNet
        from skorch.callbacks import EarlyStopping
        from skorch.dataset import ValidSplit

        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        y = np.column_stack([target, weight]).astype(np.float32)

        def train(max_epochs, split, callbacks):
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                return NeuralNet(
                    module,
                    criterion,
                    optimizer=torch.optim.Adam,
                    lr=self.lr,
                    max_epochs=max_epochs,
                    batch_size=self.batch_size,
                    iterator_train__shuffle=True,
                    train_split=split,
                    callbacks=callbacks,
                    device=device,
                    verbose=0,
                    **parameters,
                ).fit(X, y)

        n_epochs, self.held_out_loss_ = self.max_epochs, None
        rows = self._held_out_rows(len(X), groups, seed)
        if rows is not None:
            stop = EarlyStopping(patience=self.patience, sink=_ignore_message)
            net = train(self.max_epochs, ValidSplit([rows]), [("early_stopping", stop)])
            self.held_out_loss_ = np.array(net.history[:, "valid_loss"])
            n_epochs = int(self.held_out_loss_.argmin()) + 1
        callbacks = [(f"user_{i}", callback) for i, callback in enumerate(self.callbacks or [])]
        self.net_ = train(n_epochs, None, callbacks)
        self.n_iter_ = len(self.net_.history)

    def _held_out_rows(self, n_rows, groups, seed):
        """Return the rows to train on and those to hold out, or None if none is held out."""
        groups = np.arange(n_rows) if groups is None else groups
        if not self.early_stopping or len(np.unique(groups)) < _MIN_QUERIES_TO_HOLD_OUT:
            return None
        splitter = GroupShuffleSplit(1, test_size=self.validation_fraction, random_state=seed)
        return next(splitter.split(np.zeros(n_rows), groups=groups))


class BaseBlockRegressor(RegressorMixin, BaseNeuralEstimator):
    """Base class of networks with one output, and one loss, per target block and model.

    A subclass defines ``_module_class()`` and ``_module_parameters()``, which describe its
    network, and ``_block_losses()``.
    """

    def _block_losses(self):
        """Return the loss of each target block, as ``BlockLoss`` names them."""
        return ["mse"] * len(self.blocks_)

    def _block_weights(self):
        """Return the weight of each target block in the loss."""
        return [1.0] * len(self.blocks_)

    def _train(self, X, targets, weight):
        self._target_minimum, self._target_width = _target_ranges(targets)
        scaled = (targets - self._target_minimum) / self._target_width
        self._fit_network(
            self._module_class(),
            torch_modules().BlockLoss,
            X,
            scaled.reshape(len(X), -1),
            weight,
            criterion__losses=self._block_losses(),
            criterion__weights=self._block_weights(),
            module__n_features=X.shape[1],
            module__n_models=self.n_models_,
            module__n_blocks=len(self.blocks_),
            **self._module_parameters(),
        )

    def _predict_targets(self, X):
        output = self.net_.predict(X).astype(np.float64)
        for block, loss in enumerate(self._block_losses()):
            if loss != "mse":  # the output is a logit
                output[:, block] = expit(output[:, block])
        return output * self._target_width + self._target_minimum


def torch_modules():
    """Return the module of the networks and losses, which cannot be imported without torch.

    Returns
    -------
    module
        ``dars_sklearn.routing.estimators._modules``.
    """
    from dars_sklearn.routing.estimators import _modules

    return _modules


def _ignore_message(text):
    """Drop what skorch would print; a named function, since it is pickled with the network."""


def _target_ranges(targets):
    """Return the minimum and width of each block's range: [0, 1] if it is within that."""
    low, high = targets.min(axis=(0, 2)), targets.max(axis=(0, 2))
    in_unit_interval = (low >= 0) & (high <= 1)
    low, high = np.where(in_unit_interval, 0.0, low), np.where(in_unit_interval, 1.0, high)
    width = np.where(high > low, high - low, 1.0)
    return low[None, :, None], width[None, :, None]


def to_dense(X):
    """Return features as a dense array.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_queries, n_features)
        Features.

    Returns
    -------
    ndarray of shape (n_queries, n_features)
        The same features.
    """
    return X.toarray() if hasattr(X, "toarray") else X
