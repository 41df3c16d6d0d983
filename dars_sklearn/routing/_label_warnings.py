"""Warnings about the labels that a router learns."""

import numpy as np

from dars_sklearn.exceptions import ImputationWarning, RiskAversionWarning, UsageWarning
from dars_sklearn.utils._warnings import warn_user

__all__ = ["warn_of_missing_pairs", "warn_of_no_calibration", "warn_of_risk_aversion"]

# A share of missing pairs up to this one is not worth a warning.
_FEW = 0.05


def warn_of_missing_pairs(models, n_outcomes, *, imputed):
    """Warn of (query, model) pairs without outcomes.

    Parameters
    ----------
    models : ndarray of shape (n_models,)
        Model names.
    n_outcomes : ndarray of int of shape (n_queries, n_models)
        Number of outcomes.
    imputed : bool
        Whether the router learns imputed labels of such pairs.
    """
    missing = n_outcomes == 0
    without = models[missing.all(axis=0)].tolist()
    if without:
        warn_user(
            f"there are no outcomes of {', '.join(map(str, without))}, whose labels are the mean "
            "of the other models; use outcomes.subset(models=) to leave it out",
            ImputationWarning,
        )
    elif imputed and missing.mean() > _FEW:
        warn_user(
            f"{missing.mean():.0%} of the (query, model) pairs have no outcome, and were filled "
            "with the mean of their model, which the router learns as if it had been observed; "
            "heads='model' fits each model on the queries that have outcomes of it",
            ImputationWarning,
        )


def warn_of_risk_aversion(risk_aversion, capability):
    """Warn if one success in binary scores ranks a model below one with none.

    Parameters
    ----------
    risk_aversion : float
        Quality given up for one unit of risk.
    capability : Capability
        Labels from binary scores, with the standard deviation as risk.
    """
    n = capability.n_outcomes.max()
    limit = capability.shrinkage[capability.n_outcomes == n].min() / np.sqrt(n)
    if n > 1 and risk_aversion > limit:
        warn_user(
            f"risk_aversion={risk_aversion} is above {limit:.3f}: with binary scores and {n} "
            "outcomes per (query, model) pair, a model with one success ranks below one with none; "
            "a lower risk_aversion avoids this",
            RiskAversionWarning,
        )


def warn_of_no_calibration(target):
    """Warn that a router is not calibrated, though it should be."""
    reason = "target='choice' learns" if target == "choice" else "the estimator has"
    what = "probabilities" if target == "choice" else "a decision rule of its own"
    warn_user(
        f"predictions are not calibrated, because {reason} {what}, and no quantity that could be "
        "compared with outcomes; pass calibration=None",
        UsageWarning,
    )
