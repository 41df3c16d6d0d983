"""Claims, by which several processes that share a store divide the requests among them."""

import math
import os
import time
import uuid
from pathlib import Path
from typing import NamedTuple

__all__ = ["Claims"]

# An owner whose heartbeat has not changed for this long is considered dead.
CLAIM_SECONDS = 60.0


class Observation(NamedTuple):
    """The heartbeat of an owner, and when this process saw it first, on its monotonic clock."""

    heartbeat: int
    first_seen: float


class Claims:
    """The claims of one owner on the requests of a store.

    An owner increases its heartbeat now and then. Another owner is considered dead if its
    heartbeat has not changed while this process watched it for a minute, so the clocks of the
    two do not matter. If its process is known to have ended, there is no need to watch it.

    The methods write to the database, so they belong within a transaction of the store.

    Parameters
    ----------
    db : sqlite3.Connection
        The database of the store.
    """

    def __init__(self, db):
        self._db = db
        # Names of machines and ids of processes are not unique where containers are used.
        self.owner = uuid.uuid4().hex
        self._process = describe_process()
        self._heartbeat = 0
        self._renewed = -math.inf
        self._observations = {}

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
        self._remove(owner)
        self._db.execute("insert into claims values (?, ?)", (request, self.owner))
        return True

    def release(self, request):
        """Release this owner's claim on a request.

        Parameters
        ----------
        request : int
            Id of the request.
        """
        self._db.execute(
            "delete from claims where request = ? and owner = ?", (request, self.owner)
        )

    def release_all(self):
        """Release all claims of this owner, which is then no longer registered."""
        self._remove(self.owner)

    def renew(self):
        """Register this owner, and increase its heartbeat unless that was done recently."""
        now = time.monotonic()
        # It is registered again if another owner considered it dead, as after a suspension.
        is_new = self._db.execute(
            "insert or ignore into owners values (?, ?, ?)",
            (self.owner, self._process, self._heartbeat + 1),
        ).rowcount
        if is_new or now - self._renewed > CLAIM_SECONDS / 4:
            self._heartbeat += 1
            query = "update owners set heartbeat = ? where owner = ?"
            self._db.execute(query, (self._heartbeat, self.owner))
            self._renewed = now

    def find_claimed_elsewhere(self):
        """Find the requests that other owners have claimed.

        Returns
        -------
        set of int
            Ids of the requests that owners who are alive have claimed.
        """
        query = "select request, owner from claims where owner != ?"
        rows = self._db.execute(query, (self.owner,)).fetchall()
        alive = {owner: self._is_alive(owner) for owner in {owner for _, owner in rows}}
        return {request for request, owner in rows if alive[owner]}

    def _remove(self, owner):
        self._db.execute("delete from claims where owner = ?", (owner,))
        self._db.execute("delete from owners where owner = ?", (owner,))

    def _is_alive(self, owner):
        query = "select process, heartbeat from owners where owner = ?"
        row = self._db.execute(query, (owner,)).fetchone()
        if row is None:
            return False
        process, heartbeat = row
        if has_ended(process):
            return False
        observation = self._observations.get(owner)
        now = time.monotonic()
        if observation is None or observation.heartbeat != heartbeat:
            self._observations[owner] = Observation(heartbeat, now)
            return True
        return now - observation.first_seen <= CLAIM_SECONDS


def describe_process(pid=None):
    """Describe a process so that it can be recognised, and distinguished from all others.

    Parameters
    ----------
    pid : str or None, default=None
        Its id; None for this process.

    Returns
    -------
    str or None
        The start of its operating system, its namespace of process ids, its id and its start;
        None where these are not known: on systems other than Linux, or if the process has
        ended.
    """
    try:
        own_pid = os.readlink("/proc/self")
        if own_pid != str(os.getpid()):  # /proc shows another namespace of process ids
            return None
        pid = pid or own_pid
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if state in "ZX":  # it has ended, but its parent has not noticed yet
        return None
    return f"{boot} {namespace} {pid} {fields[18]}"


def has_ended(process):
    """Return whether a process is known to have ended.

    Parameters
    ----------
    process : str or None
        What ``describe_process`` returned in that process.

    Returns
    -------
    bool
        False if it has not, or if that cannot be known: a process of another namespace, such
        as that of a container, cannot be seen.
    """
    own = describe_process()
    if process is None or own is None:
        return False
    fields = process.split(" ")
    if fields[:2] != own.split(" ")[:2] or len(fields) != 4 or not fields[2].isdigit():
        return False
    pid = fields[2]
    return describe_process(pid) != process and not _is_hidden(pid)


def _is_hidden(pid):
    """Return whether a process belongs to another user, whose processes may not be shown."""
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return False
