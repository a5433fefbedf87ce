import os
import signal
import threading

from tnas_cli.runs.interrupt import stop_request


def test_a_signal_is_noted_and_the_old_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_request() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGINT)
        assert stop
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_no_handler_changes() -> None:
    seen = []

    def work() -> None:
        with stop_request() as stop:
            seen.append((bool(stop), signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
