import asyncio
import subprocess
import sys
import threading

from dars_sklearn.generate._loop import event_loop, start

FORK = """
import os, sys
from dars_sklearn.generate._loop import start

async def pid():
    return os.getpid()

assert start(pid()).result(timeout=5) == os.getpid()
if os.fork() == 0:
    os._exit(0 if start(pid()).result(timeout=5) == os.getpid() else 1)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


async def current_thread():
    return threading.current_thread()


def test_coroutines_run_in_one_daemon_thread_of_their_own():
    threads = {start(current_thread()).result(timeout=5) for _ in range(3)}
    (thread,) = threads
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert event_loop() is event_loop()


def test_a_coroutine_can_be_started_while_another_loop_is_running():
    async def started_inside_a_loop():
        return start(current_thread()).result(timeout=5)

    assert asyncio.run(started_inside_a_loop()).name == "dars_sklearn"


def test_a_forked_process_gets_a_loop_of_its_own():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)
