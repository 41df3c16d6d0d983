"""What the readers of different tools' logs share."""

import pandas as pd

from dars_sklearn.outcomes import Outcomes

_KEYS = ("query", "model", "paraphrase")


def as_list(values):
    """Return a list or tuple as it is, and any other value as the only one of a list."""
    return values if isinstance(values, (list, tuple)) else [values]


def select_name(names, name, parameter):
    """Return the requested name, or the only one if none is requested.

    Parameters
    ----------
    names : iterable of str
        The available names.
    name : str or None
        The requested name.
    parameter : str
        Parameter by which the user requests it, for error messages.

    Returns
    -------
    str
        One of ``names``.

    Raises
    ------
    ValueError
        If the requested name is not available, or none is requested and there is not exactly
        one.
    """
    names = sorted(names)
    if name is None and len(names) == 1:
        return names[0]
    if name not in names:
        found = f"there are {len(names)} {parameter}s" if name is None else (
            f"there is no {parameter} {name!r}"
        )  # fmt: skip
        raise ValueError(f"{found}; pass {parameter}= one of {names}")
    return name


def outcomes_from_rows(rows):
    """Build outcomes from the scored samples of a log.

    Parameters
    ----------
    rows : list of dict
        One dict per sample, with ``query``, ``model`` and ``score``, and optionally
        ``paraphrase``, ``cost``, ``input_tokens``, ``output_tokens`` and ``latency``, None where
        unknown.

    Returns
    -------
    Outcomes
        The outcomes, without the columns that are unknown for all samples.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    if not rows:
        raise ValueError("there are no scored samples in these logs")
    frame = pd.DataFrame(rows)
    numeric = [name for name in frame if name not in _KEYS]
    frame[numeric] = frame[numeric].astype(float)
    frame = frame.drop(columns=[name for name in numeric if frame[name].isna().all()])
    if "paraphrase" in frame:
        frame["paraphrase"] = _number_within_query(frame)
    return Outcomes.from_frame(frame)


def _number_within_query(frame):
    """Number the paraphrases of each query from 0, since ids are unique across queries."""
    ids = frame.groupby("query", sort=False)["paraphrase"]
    return ids.transform(lambda values: pd.factorize(values)[0])
