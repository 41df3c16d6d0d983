"""A regressor that records which rows it is trained on, and which ones it predicts."""

import threading
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from dars_sklearn import Outcomes


class Prediction(NamedTuple):
    """Rows of one prediction, by the number in their first feature."""

    trained_on: list
    labels: np.ndarray
    predicted: list
    in_main_thread: bool


class RecordingRegressor(RegressorMixin, BaseEstimator):
    """Predict the mean label; all clones add to one list of predictions."""

    predictions = []

    def fit(self, X, y):
        X = np.asarray(X)
        self.n_features_in_ = X.shape[1]
        self.rows_, self.labels_ = X[:, 0].tolist(), y
        self.mean_ = y.mean(axis=0)
        return self

    def predict(self, X):
        rows = np.asarray(X)[:, 0].tolist()
        in_main_thread = threading.current_thread() is threading.main_thread()
        self.predictions.append(Prediction(self.rows_, self.labels_, rows, in_main_thread))
        return np.tile(self.mean_, (len(rows), 1))


def numbered_queries(n_queries, n_models=2):
    """Features and outcomes of queries whose row number is their feature and their score."""
    rows = np.arange(n_queries)
    scores = np.tile((rows / n_queries)[:, None, None, None], (1, n_models, 2, 1))
    costs = 1.0 + np.arange(n_models)
    return rows[:, None].astype(float), Outcomes.from_array(scores, costs=costs)


def recorded_predictions(function, *args, **kwargs):
    """Call a function, and return the predictions that recording regressors made in it."""
    RecordingRegressor.predictions.clear()
    function(*args, **kwargs)
    return list(RecordingRegressor.predictions)


def runs_in_parallel(function, *args, **kwargs):
    """Return whether a function lets two workers predict when it is given ``n_jobs=2``."""
    with joblib.parallel_config("threading"):
        predictions = recorded_predictions(function, *args, **kwargs, n_jobs=2)
    return not any(own.in_main_thread for own in predictions)
