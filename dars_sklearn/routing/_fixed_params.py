"""Parameters that are fixed at fit time: a later change is refused, and not ignored."""

import numpy as np

from dars_sklearn.labels._aggregator import OutcomeAggregator

__all__ = ["check_fixed_params", "params_with_aggregator"]

_SEQUENCES = (list, tuple, np.ndarray)


def check_fixed_params(fixed, current, remedies=None):
    """Refuse parameters that are not what they were in fit, though they are fixed then.

    Parameters that were changed within an estimator that is itself a parameter are not noticed,
    as everywhere in scikit-learn.

    Parameters
    ----------
    fixed : dict of str to object
        Parameters in fit.
    current : dict of str to object
        Parameters now.
    remedies : dict of str to str or None, default=None
        What else helps than to fit again, for some of the parameters.

    Raises
    ------
    ValueError
        If a parameter was changed.
    """
    for name, value in fixed.items():
        if not _is_same(value, current.get(name)):
            remedy = (remedies or {}).get(name, "; fit again")
            raise ValueError(
                f"{name} was {value!r} in fit and is {current.get(name)!r} now, but it is fixed at "
                f"fit time{remedy}"
            )


def params_with_aggregator(router):
    """Return the parameters of a router, those of its aggregator one by one.

    Parameters
    ----------
    router : DistributionalRouter
        A router.

    Returns
    -------
    dict of str to object
        Parameters by name.
    """
    params = router.get_params(deep=False)
    aggregator = params.pop("aggregator")
    own = (OutcomeAggregator() if aggregator is None else aggregator).get_params()
    return params | {f"aggregator__{name}": value for name, value in own.items()}


def _is_same(value, current):
    """Return whether two values of a parameter are one object, or equal."""
    if value is current:
        return True
    if hasattr(value, "get_params") and type(value) is type(current):
        return _is_same(list(value.get_params().items()), list(current.get_params().items()))
    if isinstance(value, _SEQUENCES) and isinstance(current, _SEQUENCES):
        return len(value) == len(current) and all(map(_is_same, value, current))
    if isinstance(value, _SEQUENCES) or isinstance(current, _SEQUENCES):
        return False
    return bool(value == current)
