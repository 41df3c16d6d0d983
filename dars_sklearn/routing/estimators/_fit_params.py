"""Parameters of a fit that an estimator, or the last step of a Pipeline, accepts."""

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

__all__ = ["accepted_fit_params"]


def accepted_fit_params(estimator, **params):
    """Select the parameters that the fit of an estimator accepts.

    Parameters
    ----------
    estimator : estimator or Pipeline
        An estimator; of a Pipeline, its last step counts.
    **params : dict
        Parameters of fit. Those that are None are left out.

    Returns
    -------
    dict
        Parameters by the name under which ``estimator.fit`` takes them, which is "step__name" for
        a Pipeline.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from dars_sklearn.routing.estimators._fit_params import accepted_fit_params
    >>> accepted_fit_params(make_pipeline(Ridge()), sample_weight=[1, 2], models=["small"])
    {'ridge__sample_weight': [1, 2]}
    """
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        if last is None or last == "passthrough":
            return {}
        accepted = accepted_fit_params(last, **params)
        return {f"{name}__{param}": value for param, value in accepted.items()}
    return {
        param: value
        for param, value in params.items()
        if value is not None and has_fit_parameter(estimator, param)
    }
