"""The outputs of a regressor inside a router: their means over models, and the differences."""

from typing import NamedTuple

import numpy as np

__all__ = ["OutputParts"]


class OutputParts(NamedTuple):
    """How outputs are split into parts of which each is smoothed by its own amount.

    What a query does to all models alike is far easier to predict than how models differ on it,
    and does not help to choose among them. So the outputs of each block, one per model, are split
    into their mean over models and the differences from it. Without the layout of a router, each
    output is a part of its own.

    Parameters
    ----------
    block_names : tuple of str
        Names of the blocks; of the outputs where there is no layout, or one model only.
    n_models : int
        Number of models; 1 where there is no layout.
    """

    block_names: tuple
    n_models: int

    @classmethod
    def from_layout(cls, n_outputs, blocks, models):
        """Create the parts from what a router passes to ``fit``.

        Parameters
        ----------
        n_outputs : int
            Number of outputs.
        blocks : sequence of str or None
            Names of the target blocks.
        models : sequence or None
            Names of the models.

        Returns
        -------
        OutputParts
            The parts.

        Raises
        ------
        ValueError
            If there is not one output per block and model.
        """
        if blocks is None or models is None:
            return cls(tuple(f"output {i}" for i in range(n_outputs)), 1)
        if len(blocks) * len(models) != n_outputs:
            raise ValueError(
                f"y must have one column for each of {len(blocks)} blocks and {len(models)} "
                f"models, got {n_outputs}; leave out blocks and models, which a router passes"
            )
        return cls(tuple(blocks), len(models))

    @property
    def names(self):
        """Names of the parts."""
        if self.n_models == 1:
            return list(self.block_names)
        kinds = ("differences", "mean")
        return [f"{block}: {kind}" for kind in kinds for block in self.block_names]

    @property
    def part_of_column(self):
        """The part of each column that :meth:`split` returns."""
        n_blocks = len(self.block_names)
        if self.n_models == 1:
            return np.arange(n_blocks)
        differences = np.repeat(np.arange(n_blocks), self.n_models)
        return np.concatenate([differences, n_blocks + np.arange(n_blocks)])

    def split(self, outputs):
        """Split outputs into columns of differences between models, and of means over models.

        Parameters
        ----------
        outputs : ndarray of shape (n_queries, n_outputs)
            Outputs.

        Returns
        -------
        ndarray of shape (n_queries, n_columns)
            The columns; the outputs themselves where there is one model.
        """
        if self.n_models == 1:
            return outputs
        blocks = outputs.reshape(len(outputs), len(self.block_names), self.n_models)
        means = blocks.mean(axis=2)
        return np.hstack([(blocks - means[:, :, None]).reshape(outputs.shape), means])

    def join(self, columns):
        """Put the columns of :meth:`split` together again.

        Parameters
        ----------
        columns : ndarray of shape (n_queries, n_columns)
            The columns.

        Returns
        -------
        ndarray of shape (n_queries, n_outputs)
            The outputs.
        """
        if self.n_models == 1:
            return columns
        n_blocks = len(self.block_names)
        differences, means = columns[:, :-n_blocks], columns[:, -n_blocks:]
        return differences + np.repeat(means, self.n_models, axis=1)
