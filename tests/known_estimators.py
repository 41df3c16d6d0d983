"""Estimators whose behaviour is known, for tests of what surrounds an estimator."""

import threading

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


class FeaturesAsPredictions(RegressorMixin, BaseEstimator):
    """Predict the features, so that a test chooses the predictions."""

    def fit(self, X, y):
        """Learn nothing."""
        self.n_outputs_ = np.shape(y)[1:]
        return self

    def predict(self, X):
        """Return the features."""
        return np.asarray(X, dtype=float)


class NonlinearRule(FeaturesAsPredictions):
    """Decide by itself: the first half of the features, less the other half times w ** 2."""

    def decision_function(self, X, cost_weight=0.0):
        """Return utilities at a cost weight."""
        value, cost = np.hsplit(np.asarray(X, dtype=float), 2)
        return value - cost_weight**2 * cost


class Recorder(RegressorMixin, BaseEstimator):
    """Keep what fit receives, and predict the mean of each column of y."""

    def __init__(self, random_state=None, not_a_random_state=None):
        self.random_state = random_state
        self.not_a_random_state = not_a_random_state

    def fit(self, X, y, sample_weight=None, option=None):
        """Keep the arguments, and the thread that they were received in."""
        self.X_, self.y_, self.sample_weight_, self.option_ = X, y, sample_weight, option
        self.in_main_thread_ = threading.current_thread() is threading.main_thread()
        return self

    def predict(self, X):
        """Return the same row for each query."""
        return np.full((len(X), *self.y_.shape[1:]), self.y_.mean(axis=0))


class LayoutRecorder(Recorder):
    """A recorder that asks for the names of the target blocks and of the models."""

    def fit(self, X, y, sample_weight=None, option=None, *, blocks=None, models=None):
        """Keep the arguments."""
        self.blocks_, self.models_ = blocks, models
        return super().fit(X, y, sample_weight, option)


class ModelsRecorder(Recorder):
    """A recorder that asks for the names of the models only."""

    def fit(self, X, y, models):
        """Keep the arguments."""
        self.models_ = models
        return super().fit(X, y)


class OneColumnRecorder(Recorder):
    """A recorder that refuses several columns, with an error of the given type."""

    def __init__(self, error=ValueError, random_state=None):
        super().__init__(random_state)
        self.error = error

    def fit(self, X, y, sample_weight=None):
        """Keep the arguments."""
        if np.ndim(y) != 1:
            raise self.error("one column only")
        return super().fit(X, y, sample_weight)


class ClassifierRecorder(ClassifierMixin, BaseEstimator):
    """Keep what fit receives, and predict the weighted share of each class."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, option=None):
        """Keep the arguments."""
        self.X_, self.y_, self.sample_weight_, self.option_ = X, y, sample_weight, option
        self.classes_ = np.unique(y)
        totals = np.array([sample_weight[y == label].sum() for label in self.classes_])
        self.shares_ = totals / totals.sum()
        return self

    def predict_proba(self, X):
        """Return the same shares for each query."""
        return np.tile(self.shares_, (len(X), 1))


class EarlyStoppingRecorder(ClassifierRecorder):
    """A recorder of which the parameters say that it may hold rows out."""

    def __init__(self, early_stopping, random_state=None):
        super().__init__(random_state)
        self.early_stopping = early_stopping
