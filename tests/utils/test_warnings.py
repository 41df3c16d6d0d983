import threading
import warnings

import pytest

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.utils._warnings import warn_user


def in_module(name, function):
    """Return a function that calls another one, and is defined in a module of this name."""
    namespace = {"__name__": name, "function": function}
    exec("def call(*args):\n    return function(*args)", namespace)
    return namespace["call"]


@pytest.mark.parametrize("library", ["dars_sklearn.collect._x", "sklearn.pipeline", "joblib"])
def test_a_warning_points_at_the_innermost_line_outside_the_libraries(library):
    warn_in_package = in_module("dars_sklearn.collect", in_module("dars_sklearn", warn_user))

    def users_function():
        in_module(library, in_module("contextlib", warn_in_package))("look", CollectionWarning)

    with pytest.warns(CollectionWarning, match="look") as caught:
        in_module("sklearn", users_function)()
    assert caught[0].filename == __file__
    assert caught[0].lineno == users_function.__code__.co_firstlineno + 1


def test_a_package_whose_name_begins_like_a_library_is_the_users():
    with pytest.warns(CollectionWarning) as caught:
        in_module("sklearn_extension", warn_user)("look", CollectionWarning)
    assert caught[0].filename == "<string>"


def test_a_thread_of_the_package_warns_too():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(
            target=in_module("dars_sklearn", warn_user), args=("look", CollectionWarning)
        )
        thread.start()
        thread.join()
    assert len(caught) == 1
