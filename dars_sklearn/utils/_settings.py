"""Settings of backends and graders as JSON, by which a store recognises what it contains."""

import json
import math

__all__ = ["settings_to_json", "text_to_json"]


def settings_to_json(settings, owner):
    """Return settings as a JSON text that is the same in every process.

    Parameters
    ----------
    settings : dict
        The settings: str, int, finite float, bool, None, and lists and dicts of these.
    owner : str
        Whose settings these are, for the message of an error.

    Returns
    -------
    str
        The settings, sorted by their keys. A whole number is written as an int, because 1 and
        1.0 mean the same to every backend.

    Raises
    ------
    TypeError
        If the settings are not a dict, or contain anything else. The text of a set or an object
        differs between processes, so that a store would request and pay for everything again.

    Examples
    --------
    >>> from dars_sklearn.utils._settings import settings_to_json
    >>> settings_to_json({"temperature": 0.7, "stop": ("END",)}, "the backend of model 'm'")
    '{"stop": ["END"], "temperature": 0.7}'
    """
    if not isinstance(settings, dict):
        raise TypeError(
            f"the settings of {owner} must be a dict, got {type(settings).__name__!r}: "
            f"{settings!r:.100}"
        )
    try:
        problem = _find_problem(settings, "settings")
    except RecursionError:
        problem = "the dicts or lists are nested too deeply, or contain themselves"
    if problem is not None:
        raise TypeError(
            f"the settings of {owner} are not JSON: {problem}. A store recognises its responses "
            "and grades by these settings; use only str, int, finite float, bool, None, and lists "
            "and dicts of these"
        )
    return json.dumps(_with_whole_numbers(settings), sort_keys=True)


def text_to_json(text):
    """Return settings that were written as JSON in the way of ``settings_to_json``.

    Parameters
    ----------
    text : str
        The settings as JSON, perhaps with whole numbers as floats.

    Returns
    -------
    str or None
        The settings as ``settings_to_json`` writes them; None if the text is not JSON.
    """
    try:
        return json.dumps(_with_whole_numbers(json.loads(text)), sort_keys=True)
    except (ValueError, RecursionError):
        return None


def _with_whole_numbers(value):
    """Return settings in which each float that is a whole number is an int."""
    if isinstance(value, dict):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _find_problem(value, path):
    """Describe the first value that JSON cannot represent, None if there is none."""
    if value is None or isinstance(value, (str, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{path} is {value!r}"
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"{path} has the key {key!r:.50}, which is not a str"
            problem = _find_problem(item, f"{path}[{key!r:.50}]")
            if problem is not None:
                return problem
        return None
    if isinstance(value, (list, tuple)):
        problems = (
            _find_problem(item, f"{path}[{position}]") for position, item in enumerate(value)
        )
        return next((problem for problem in problems if problem is not None), None)
    return f"{path} is of type {type(value).__name__!r}: {value!r:.100}"
