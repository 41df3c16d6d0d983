"""Claims, by which several processes that share a store divide the requests among them."""

import math
import os
import platform
import time

__all__ = ["Claims"]

# A claim is valid for this long after its owner last renewed it.
CLAIM_SECONDS = 60.0


class Claims:
    """The claims of one owner on the requests of a store.

    The methods write to the database, so they belong within a transaction of the store.

    Parameters
    ----------
    db : sqlite3.Connection
        The database of the store.
    """

    def __init__(self, db):
        self._db = db
        self.owner = f"{platform.node()}:{os.getpid()}:{time.time_ns()}"
        self._renewed = -math.inf

    def claim(self, request):
        """Claim a request.

        Parameters
        ----------
        request : int
            Id of the request.

        Returns
        -------
        bool
            Whether the claim succeeded; False if another owner that is alive has claimed
            the request.
        """
        is_new = self._db.execute(
            "insert or ignore into claims values (?, ?)", (request, self.owner)
        ).rowcount
        if is_new:
            return True
        query = "select owner from claims where request = ?"
        owner = self._db.execute(query, (request,)).fetchone()[0]
        if owner == self.owner:
            return True
        if self._is_alive(owner):
            return False
        self._db.execute("delete from claims where owner = ?", (owner,))
        self._db.execute("insert into claims values (?, ?)", (request, self.owner))
        return True

    def release(self, request):
        """Release the claim on a request.

        Parameters
        ----------
        request : int
            Id of the request.
        """
        self._db.execute("delete from claims where request = ?", (request,))

    def release_all(self):
        """Release all claims of this owner, which is then no longer registered as alive."""
        self._db.execute("delete from claims where owner = ?", (self.owner,))
        self._db.execute("delete from owners where owner = ?", (self.owner,))

    def renew(self):
        """Extend the validity of this owner's claims, if they were not renewed recently."""
        now = time.monotonic()
        if now - self._renewed > CLAIM_SECONDS / 4:
            alive_until = time.time() + CLAIM_SECONDS
            self._db.execute(
                "insert or replace into owners values (?, ?)", (self.owner, alive_until)
            )
            self._renewed = now

    def _is_alive(self, owner):
        host, pid, _ = owner.rsplit(":", 2)
        if host == platform.node() and not process_exists(int(pid)):
            return False  # it was killed, so there is no need to wait until its claims expire
        query = "select alive_until from owners where owner = ?"
        row = self._db.execute(query, (owner,)).fetchone()
        return row is not None and row[0] > time.time()


def process_exists(pid):
    """Return whether a process of this machine exists; True where that cannot be found out."""
    if os.name == "nt":  # on Windows, os.kill would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
