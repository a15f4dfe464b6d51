"""``keeper-rotation listen``: puts everything together, and ends it when told to."""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType

from confluent_kafka import KafkaException

from gateway.errors import CallError
from gateway.host.process import keep_to_ourselves
from gateway.host.settings import read_settings
from gateway.keeper.config import find_ksm_config
from gateway.listener.dispatch import Dispatcher
from gateway.listener.health import EVENT_HUB, KEEPER, Health, serve
from gateway.listener.hub.consumer import Intake
from gateway.listener.hub.sign_in import SignIn
from gateway.listener.records import Records
from gateway.listener.run_script import Rotator
from gateway.listener.settings import ListenSettings, read_listen_settings
from gateway.listener.versions import Versions

log = logging.getLogger("gateway")

_LONGEST_WAIT = 10.0


class Stop:
    """Whether the process was told to stop."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        """So long, or until told to stop."""
        until = time.monotonic() + seconds
        while not self.asked and time.monotonic() < until:
            time.sleep(0.1)


def listen(path: str) -> None:
    """Listen until SIGTERM or SIGINT, with the settings in this file and the environment.

    Raises:
        Failed: settings, the Keeper configuration or the health address cannot be used.
    """
    keep_to_ourselves()
    logging.getLogger("gateway").setLevel(logging.INFO)
    # What the libraries warn about goes nowhere: it may quote a request.
    logging.getLogger().addHandler(logging.NullHandler())
    settings, host, config = read_listen_settings(path), read_settings(), find_ksm_config()
    stop, health = Stop(), Health(settings.region)
    rotator = Rotator(config, host, settings.scripts, settings.configuration)
    rotator.start()
    server = serve(health, settings.health_place())
    pause = min(settings.retry_seconds, _LONGEST_WAIT)
    records = Records(config, host, settings.records_seconds, pause)
    versions = Versions(records, host, settings.configuration, settings.event_days)
    dispatcher = Dispatcher(settings, records, versions, rotator, health)
    dispatcher.work.start()
    where = (settings.event_hub, settings.bootstrap_servers, settings.consumer_group, settings.health_address)
    log.info("listening to %s at %s in group %s; health on %s", *where)
    intake = _join(settings, SignIn(settings, host, config, health), dispatcher, health, stop)
    if intake:
        intake.run(stop)
    rotator.stop()
    server.shutdown()
    log.info("stopped")


def _join(
    settings: ListenSettings, sign_in: SignIn, dispatcher: Dispatcher, health: Health, stop: Stop
) -> Intake | None:
    """A consumer that has all it needs to sign in; None where told to stop before.

    Raises:
        Failed: what it needs is not in Keeper.
    """
    while not stop.asked:
        try:
            intake = Intake(settings, sign_in, dispatcher, health)
        except CallError as error:
            health.trouble(KEEPER, str(error))
        except KafkaException as error:
            health.trouble(EVENT_HUB, error.args[0].str())
        else:
            health.well(KEEPER)
            return intake
        stop.wait(min(settings.retry_seconds, _LONGEST_WAIT))
    return None
