"""The base class of the transformers of texts in this package."""

from sklearn.base import BaseEstimator, TransformerMixin

__all__ = ["StatelessTextTransformer"]


class StatelessTextTransformer(TransformerMixin, BaseEstimator):
    """A transformer of texts that learns nothing, so it can be used without ``fit``."""

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
