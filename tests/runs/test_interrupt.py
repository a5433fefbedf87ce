import os
import signal
import threading

import pytest

from tnas_cli.runs.interrupt import SIGNALS, signals_as_interrupt, signals_later, stop_asked, stop_request


def test_a_signal_is_noted_and_the_old_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_request() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGINT)
        assert stop
    assert [signal.getsignal(number) for number in SIGNALS] == before


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


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_asks_and_a_second_one_stops_at_once(number: int) -> None:
    with stop_request() as stop:
        os.kill(os.getpid(), number)
        assert stop and stop_asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert not stop_asked()


def test_a_block_inside_another_one_shares_its_request() -> None:
    """A stop that was requested during one part also stops the next."""
    with stop_request() as outer:
        with stop_request() as inner:
            os.kill(os.getpid(), signal.SIGINT)
        assert inner is outer
        assert outer and signal.getsignal(signal.SIGINT) is not signal.default_int_handler


def test_an_ignored_signal_stays_ignored() -> None:
    """`nohup tnas search` goes on when its terminal goes away."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_interrupt(), stop_request() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_wait_until_they_are_let_in(number: int) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with signals_as_interrupt():
        for times in (1, 2):
            with pytest.raises(KeyboardInterrupt), signals_later() as arrive:
                arrive()
                for _ in range(times):
                    os.kill(os.getpid(), number)
                with pytest.raises(KeyboardInterrupt):
                    arrive()
                os.kill(os.getpid(), number)
        with stop_request() as stop, signals_later() as arrive:
            os.kill(os.getpid(), number)
            assert not stop
            arrive()
            assert stop
    assert [signal.getsignal(number) for number in SIGNALS] == before
