"""Import optional dependencies where they are used."""

from importlib import import_module

__all__ = ["import_optional"]


def import_optional(module, *, extra, needed_by):
    """Import an optional dependency, or say how to install it.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    extra : str
        Extra of this package that installs it.
    needed_by : str
        What needs it, as the first words of the error message.

    Returns
    -------
    module
        The module.

    Raises
    ------
    ImportError
        If the module is not installed, naming the extra to install; or if it is installed but
        cannot be imported, with the error that it raised.
    """
    try:
        return import_module(module)
    except Exception as error:
        package = module.partition(".")[0]
        absent = isinstance(error, ModuleNotFoundError) and error.name in (package, module)
        if absent:
            raise ImportError(
                f"{needed_by} needs {package}, which is not installed: "
                f"pip install 'dars-sklearn[{extra}]'"
            ) from error
        raise ImportError(
            f"{needed_by} needs {package}, which is installed but cannot be imported "
            f"({type(error).__name__}: {error})"
        ) from error
