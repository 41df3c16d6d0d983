import asyncio
import subprocess
import sys
import threading

import pytest

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


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_the_loop_survives_an_exception_that_is_meant_to_end_a_process(error):
    async def fail():
        raise error

    async def wait_for_both():
        await asyncio.gather(asyncio.create_task(fail()), asyncio.sleep(0), return_exceptions=True)

    waiting = start(asyncio.sleep(0.05, "later"))
    with pytest.raises(type(error)):
        start(fail()).result(timeout=5)
    start(wait_for_both()).exception(timeout=5)
    assert waiting.result(timeout=5) == "later"
    assert start(current_thread()).result(timeout=5).name == "dars_sklearn"


def test_the_loop_continues_after_it_was_stopped():
    async def stop():
        asyncio.get_running_loop().stop()

    start(stop()).result(timeout=5)
    assert start(current_thread()).result(timeout=5).name == "dars_sklearn"
