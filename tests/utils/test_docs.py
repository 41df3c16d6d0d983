import pytest

from dars_sklearn.utils._docs import fill_docstring

SEED = """
random_state : int
    Seed.
"""


def test_a_placeholder_is_replaced_at_its_indentation():
    @fill_docstring(seed=SEED)
    class Estimator:
        """Estimate.

        {seed}
            {not a placeholder}
        """

    lines = Estimator.__doc__.splitlines()
    margin = lines[2].index("random_state") * " "
    assert lines[2:5] == [
        f"{margin}random_state : int",
        f"{margin}    Seed.",
        f"{margin}    {{not a placeholder}}",
    ]


def test_braces_within_a_line_are_left_alone():
    @fill_docstring(seed=SEED)
    def fit():
        """Fit.

        {seed}
        X : {array-like, sparse matrix} or {seed}
        """

    assert "X : {array-like, sparse matrix} or {seed}" in fit.__doc__


def test_the_decorated_object_itself_is_returned():
    def fit():
        """Fit.

        {seed}
        """

    assert fill_docstring(seed=SEED)(fit) is fit


@pytest.mark.parametrize("texts", [{}, {"weights": SEED}, {"seed": SEED, "weights": SEED}])
def test_texts_that_do_not_match_the_placeholders_are_refused(texts):
    def fit():
        """Fit.

        {seed}
        """

    with pytest.raises(ValueError, match=r"docstring of fit has the placeholders \['seed'\]"):
        fill_docstring(**texts)(fit)


def test_a_missing_docstring_stays_missing():
    def fit():
        pass

    assert fill_docstring(seed=SEED)(fit).__doc__ is None
