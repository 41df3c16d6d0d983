"""What the neural families share: validation, scaling to [0, 1], and a skorch net."""

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

# Fewer queries leave nothing to hold out.
_FEWEST_TO_HOLD_OUT = 20


class NeuralCapability(BaseEstimator):
    """An estimator that builds a skorch net in fit.

    Parameters
    ----------
    max_epochs : int
        Most passes over the queries.
    lr : float
        Learning rate of Adam.
    batch_size : int
        Queries a step.
    early_stopping : bool
        Whether to hold out ``validation_fraction`` of the queries, and to stop,
        at the best weights, where their loss has not improved for ``patience``
        epochs.
    validation_fraction : float
        Share of the queries held out; none where there are fewer than 20.
    patience : int
        Epochs without improvement.
    device : {"cpu", "cuda", "auto"}
        Where to compute; "auto" takes a GPU where there is one.
    callbacks : list or None
        Further callbacks of skorch, such as ``skorch.callbacks.ProgressBar()``.
    random_state : int, RandomState instance or None
        Seed of weights, batches and of what is held out.
    """

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
        """Train the net.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            Targets, block after block, each with a column a model.
        sample_weight : array-like of shape (n_queries,) or None, default=None
            Weight of each query in the loss.
        blocks : sequence of str or None, default=None
            What the blocks are, such as ("quality", "cost", "risk"); None takes
            all columns for quality. A ``DistributionalRouter`` tells.
        models : array-like or None, default=None
            Names of the models. A ``DistributionalRouter`` tells.

        Returns
        -------
        NeuralCapability
            The estimator itself.
        """
        _import_skorch()
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, dtype=np.float32
        )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float32)
        self._one_column = y.ndim == 1
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        self.blocks_ = ("quality",) if blocks is None else tuple(blocks)
        self.n_models_ = y.shape[1] // len(self.blocks_)
        if y.shape[1] % len(self.blocks_) or (models is not None and len(models) != self.n_models_):
            raise ValueError(
                f"y has {y.shape[1]} columns, which are not {len(self.blocks_)} blocks of "
                f"{'equal width' if models is None else f'{len(models)} models'}"
            )
        self._models = np.arange(self.n_models_) if models is None else np.asarray(models)
        self._train(_dense(X), y.reshape(len(y), len(self.blocks_), self.n_models_), weight)
        return self

    def predict(self, X):
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)
            As y was in fit.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        table = self._predict_blocks(_dense(X)).reshape(X.shape[0], -1)
        return table.ravel() if self._one_column else table

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags

    # ---- the net ----------------------------------------------------------------

    def _fit_net(self, module, criterion, X, target, weight, groups=None, **parameters):
        """Fit a skorch net, without touching the random numbers of others.

        Rows of one group are held out together.
        """
        import torch
        from skorch import NeuralNet
        from skorch.callbacks import EarlyStopping
        from skorch.dataset import ValidSplit

        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        callbacks = [
            (f"own{place}", callback) for place, callback in enumerate(self.callbacks or [])
        ]
        split = None
        n_queries = len(X) if groups is None else len(np.unique(groups))
        if self.early_stopping and n_queries >= _FEWEST_TO_HOLD_OUT:
            chooser = GroupShuffleSplit(1, test_size=self.validation_fraction, random_state=seed)
            groups = np.arange(len(X)) if groups is None else groups
            parts = next(chooser.split(X, groups=groups))
            split = ValidSplit([parts])
            stop = EarlyStopping(patience=self.patience, load_best=True, sink=_say_nothing)
            callbacks.append(("stop", stop))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net_ = NeuralNet(
                module,
                criterion,
                optimizer=torch.optim.Adam,
                lr=self.lr,
                max_epochs=self.max_epochs,
                batch_size=self.batch_size,
                iterator_train__shuffle=True,
                train_split=split,
                callbacks=callbacks,
                device=self._device(torch),
                verbose=0,
                **parameters,
            )
            self.net_.fit(X, np.column_stack([target, weight]).astype(np.float32))
        self.n_iter_ = len(self.net_.history)

    def _forward(self, X):
        return self.net_.predict(X)

    def _device(self, torch):
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device


class BlockRegressor(RegressorMixin, NeuralCapability):
    """A net with an output for each block and model, and a loss for each block."""

    def _train(self, X, blocks, weight):
        self._low, self._width = _ranges(blocks)
        scaled = (blocks - self._low) / self._width
        losses, shares = self._losses()
        self._fit_net(
            self._module(),
            _modules().BlockLoss,
            X,
            scaled.reshape(len(X), -1),
            weight,
            criterion__losses=losses,
            criterion__weights=shares,
            module__n_features=X.shape[1],
            module__n_models=self.n_models_,
            module__n_blocks=len(self.blocks_),
            **self._module_parameters(),
        )

    def _predict_blocks(self, X):
        output = self._forward(X).astype(np.float64)
        for block, loss in enumerate(self._losses()[0]):
            if loss != "mse":
                output[:, block] = expit(output[:, block])
        return output * self._width + self._low


def _say_nothing(text):
    """A sink for what skorch would print; a function, since a net is pickled with it."""


def _ranges(blocks):
    """What maps each block to [0, 1]: nothing where it is within, or else its own range."""
    low, high = blocks.min(axis=(0, 2)), blocks.max(axis=(0, 2))
    within = (low >= 0) & (high <= 1)
    low, high = np.where(within, 0.0, low), np.where(within, 1.0, high)
    width = np.where(high > low, high - low, 1.0)
    return low[None, :, None], width[None, :, None]


def _dense(X):
    return X.toarray() if hasattr(X, "toarray") else X


def _modules():
    from dars_sklearn.capability import _modules

    return _modules


def _import_skorch():
    try:
        import skorch  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "the neural router families need torch and skorch: pip install 'dars-sklearn[torch]'"
        ) from error
