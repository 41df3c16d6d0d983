"""The ledger of a store: what its requests cost, including what they may cost."""

from typing import NamedTuple

__all__ = ["Ledger", "LedgerEntry"]


class LedgerEntry(NamedTuple):
    """A change of what a request costs: in the user's unit, and in samples of unknown price."""

    id: int
    request: int
    amount: float
    unpriced: int


class Ledger:
    """What the requests of a store cost.

    Before a request is sent, the highest price it may have is entered, or the number of its
    samples if that is not known. Once it is known what was paid, the difference is entered.
    Otherwise the first entry remains, as it does if the process dies in between. Entries are
    only added, so every process can follow what all of them spend.

    The methods belong within a transaction of the store.

    Parameters
    ----------
    db : sqlite3.Connection
        The database of the store.
    """

    def __init__(self, db):
        self._db = db

    def add(self, request, amount, unpriced=0):
        """Enter a change of what a request costs.

        Parameters
        ----------
        request : int
            Id of the request.
        amount : float
            Change of its cost in the user's unit.
        unpriced : int, default=0
            Change of the number of its samples whose price is not known.
        """
        self._db.execute(
            "insert into ledger (request, amount, unpriced) values (?, ?, ?)",
            (request, amount, unpriced),
        )

    def entries_after(self, id):
        """Return the entries that were added after another one.

        Parameters
        ----------
        id : int
            Id of that entry; 0 for all entries.

        Returns
        -------
        list of LedgerEntry
            The entries, in the order in which they were added.
        """
        query = "select id, request, amount, unpriced from ledger where id > ? order by id"
        return [LedgerEntry(*row) for row in self._db.execute(query, (id,))]
