"""What the readers of different tools' logs share."""

import pandas as pd

from dars_sklearn.outcomes import Outcomes
from dars_sklearn.outcomes._messages import conversation_label, message_text, parse_conversation

__all__ = ["as_list", "label_query", "outcomes_from_rows", "select_name"]

_KEYS = ("query", "text", "model", "paraphrase")


def as_list(values):
    """Return a list or tuple as it is, and any other value as the only one of a list."""
    return values if isinstance(values, (list, tuple)) else [values]


def select_name(logs, name, parameter):
    """Return the requested name, or the only one of all logs if none is requested.

    Parameters
    ----------
    logs : dict of str to str
        A log for each of the available names.
    name : str or None
        The requested name.
    parameter : str
        Parameter by which the user requests it, for error messages.

    Returns
    -------
    str
        One of the names.

    Raises
    ------
    ValueError
        If the requested name is not available, or none is requested and there is not exactly
        one.
    """
    names = sorted(logs)
    if name is None and len(names) == 1:
        return names[0]
    if name not in names:
        found = f"there are {len(names)} {parameter}s" if name is None else (
            f"there is no {parameter} {name!r}"
        )  # fmt: skip
        where = ", ".join(f"{name!r} in {logs[name]!r}" for name in names[:5])
        where = f" (for instance {where})" if len(set(logs.values())) > 1 else ""
        raise ValueError(f"{found}; pass {parameter}= one of {names}{where}")
    return name


def label_query(value, source):
    """Return the label and the text of a query that a field of a log identifies.

    Parameters
    ----------
    value : object
        The value of the field: a text, a number, or a conversation (a list of messages).
    source : str
        What the value is, for error messages.

    Returns
    -------
    label : object
        The value; of a conversation, its JSON.
    text : str or None
        The value, if it is a text; of a conversation, the text by which it is routed.

    Raises
    ------
    ValueError
        If the value is missing, or of a kind that cannot identify a query.
    """
    conversation = parse_conversation(value)
    if conversation is not None:
        label = value if isinstance(value, str) else conversation_label(conversation)
        try:
            return label, message_text(conversation)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{source}: {error}") from error
    if not _is_label(value):
        raise ValueError(
            f"{source} is {value!r:.100}, which cannot identify a query: that takes a text, a "
            "number or a list of messages; pass query= something else"
        )
    return value, value if isinstance(value, str) else None


def _is_label(value):
    """Return whether a value is hashable and not missing."""
    try:
        hash(value)
    except TypeError:
        return False
    return isinstance(value, tuple) or not pd.isna(value)


def outcomes_from_rows(rows, score_range=(0.0, 1.0)):
    """Build outcomes from the scored samples of a log.

    Parameters
    ----------
    rows : list of dict
        One dict per sample, with ``query``, ``model`` and ``score``, and optionally ``text``,
        ``paraphrase``, ``cost``, ``input_tokens``, ``output_tokens`` and ``latency``, None where
        unknown.
    score_range : tuple of float or None, default=(0.0, 1.0)
        Lowest and highest possible score.

    Returns
    -------
    Outcomes
        The outcomes, without the columns that are unknown for all samples, and with texts if
        each query has one and only one, and it is not its label.

    Raises
    ------
    ValueError
        If there are no rows, or scores are out of range.
    """
    if not rows:
        raise ValueError("there are no scored samples in these logs")
    frame = pd.DataFrame(rows)
    numeric = [name for name in frame if name not in _KEYS]
    frame[numeric] = frame[numeric].astype(float)
    frame = frame.drop(columns=[name for name in numeric if frame[name].isna().all()])
    if "paraphrase" in frame:
        frame["paraphrase"] = _number_within_query(frame)
    return Outcomes.from_frame(
        frame,
        sample=False,  # rows may be equal, but not by mistake
        text="text" if _has_texts(frame) else None,
        score_range=score_range,
    )


def _number_within_query(frame):
    """Number the paraphrases of each query from 0."""
    ids = frame.groupby("query", sort=False)["paraphrase"]
    return ids.transform(lambda values: pd.factorize(values)[0])


def _has_texts(frame):
    """Return whether each query has exactly one text, which says more than its label."""
    if "text" not in frame or frame["text"].isna().any():
        return False
    if (frame.groupby("query", sort=False)["text"].nunique() > 1).any():
        return False
    return not (frame["text"] == frame["query"]).all()
