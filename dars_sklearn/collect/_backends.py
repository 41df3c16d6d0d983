"""Check the backends of a collection before any money is spent."""

from collections.abc import Mapping

from dars_sklearn.collect._plan import settings_of
from dars_sklearn.collect._queries import has_surrogates, is_blank
from dars_sklearn.utils._settings import settings_to_json
from dars_sklearn.utils._validation import check_count, is_finite_number

__all__ = ["check_backend", "check_models", "check_prices"]


def check_models(models):
    """Return the backend of each model.

    Parameters
    ----------
    models : dict of str to callable
        The backend of each model.

    Returns
    -------
    dict of str to callable
        A copy of the models.

    Raises
    ------
    TypeError
        If models is not a dict, or a name or backend is of the wrong type.
    ValueError
        If models is empty, or a name or backend is invalid.
    """
    if not isinstance(models, Mapping):
        raise TypeError(f"models must map names to backends, got {type(models).__name__!r}")
    if not models:
        raise ValueError("models is empty; pass at least one name and backend")
    for name, backend in models.items():
        if not isinstance(name, str):
            raise TypeError(
                f"the name of a model must be a str, got {name!r}; a store would not distinguish "
                f"{name!r} from {str(name)!r}"
            )
        if is_blank(name) or has_surrogates(name):
            raise ValueError(f"the name of a model must be a text that can be stored, got {name!r}")
        check_backend(f"the backend of model {name!r}", backend)
    return dict(models)


def check_backend(owner, backend):
    """Raise unless a backend is callable, and what it declares about itself is valid.

    Parameters
    ----------
    owner : str
        Which backend this is, for the message of an error.
    backend : callable
        The backend.

    Raises
    ------
    TypeError
        If it is not callable, or its settings are not JSON.
    ValueError
        If its ``concurrency`` or ``batch_size`` is not an int of at least 1.
    """
    if not callable(backend):
        raise TypeError(f"{owner} is not callable: {backend!r}")
    for limit in ("concurrency", "batch_size"):
        check_count(getattr(backend, limit, 1), f"{limit} of {owner}")
    settings_to_json(settings_of(backend), owner)


def check_prices(name, backend):
    """Raise unless a backend can say what a request costs at most, which ``max_cost`` needs.

    Parameters
    ----------
    name : str
        Name of the model.
    backend : callable
        Its backend.

    Raises
    ------
    ValueError
        If it has no method ``highest_price``, or that does not return an amount.
    """
    has_bound = hasattr(backend, "highest_price")
    bound = backend.highest_price("", 1) if has_bound else None
    if not is_finite_number(bound) or bound < 0:
        returned = f"; its highest_price returned {bound!r}" if has_bound else ""
        raise ValueError(
            f"max_cost needs the prices of model {name!r}: pass input_price= and output_price= to "
            f"its backend{returned}"
        )
