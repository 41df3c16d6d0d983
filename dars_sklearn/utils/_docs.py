"""Share documentation between docstrings."""

import re
from textwrap import indent

__all__ = ["fill_docstring"]

_PLACEHOLDER = re.compile(r"^( *)\{(\w+)\}$", re.MULTILINE)


def fill_docstring(**texts):
    r"""Make a decorator that fills shared texts into a docstring.

    A docstring line that consists of ``{name}`` is replaced by the text of that name, indented
    like the line. What similar estimators have in common is thus documented once, while each of
    them keeps explicit constructor parameters and a complete docstring.

    Parameters
    ----------
    **texts : str
        Text of each placeholder.

    Returns
    -------
    callable
        Decorator of a class or function; it returns the object that it decorates.

    Raises
    ------
    ValueError
        On decoration, if the placeholders of the docstring are not those given.

    Examples
    --------
    >>> from dars_sklearn.utils._docs import fill_docstring
    >>> @fill_docstring(seed="random_state : int\n    Seed.")
    ... def draw(random_state):
    ...     '''Draw a number.
    ...
    ...     {seed}
    ...     '''
    >>> draw.__doc__.splitlines()[2].strip()
    'random_state : int'
    """

    def decorate(documented):
        if documented.__doc__ is None:  # python -OO removes docstrings
            return documented
        placeholders = {name for _, name in _PLACEHOLDER.findall(documented.__doc__)}
        if placeholders != set(texts):
            raise ValueError(
                f"the docstring of {documented.__name__} has the placeholders "
                f"{sorted(placeholders)}, but texts were given for {sorted(texts)}"
            )
        documented.__doc__ = _PLACEHOLDER.sub(
            lambda match: indent(texts[match[2]].strip("\n"), match[1]), documented.__doc__
        )
        return documented

    return decorate
