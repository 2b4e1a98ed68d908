r"""Being asked to stop, politely: Ctrl-C, or a cluster that wants its machine back."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SPEAK_TO = 2  # the error stream's number: printing is not safe in the middle of a print


@contextmanager
def stop_signals(answer: str = "") -> Iterator[threading.Event]:
    r"""An event that is set when the process is asked to end; asked twice, it ends at once.

    ``answer`` is told at the first time, at once, however long the step in hand takes.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number, _):
        asked.set()
        signal.signal(number, previous[number])
        if answer:
            with suppress(OSError):
                os.write(SPEAK_TO, f"\n{answer}\n".encode())

    for number in previous:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
