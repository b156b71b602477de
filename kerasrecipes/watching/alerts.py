"""Telling people of alarms: once for each cause, again after a while, and when it is over."""

import json
import os
import smtplib
import ssl
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from email.message import EmailMessage

from kerasrecipes.console import warn
from kerasrecipes.environment import timestamp
from kerasrecipes.errors import first_line, printable
from kerasrecipes.regular import append_whole
from kerasrecipes.watching.settings import Alert, WatchSettings
from kerasrecipes.watching.state import WatchState

_SECONDS = 15.0


@dataclass(frozen=True)
class Alarm:
    """What somebody should look at.

    Args:
        cause: E.g. `"drift"`.
        told: What was found, in a few words.
        runbook: Where it says what to do; empty if nobody said.
    """

    cause: str
    told: str
    runbook: str = ""


def tell_of(
    alarms: Sequence[Alarm], model: str, settings: WatchSettings, state: WatchState, now: float
) -> tuple[str, ...]:
    """Tell everybody of what is new, of what lasts after the quiet period, and of what is over.

    Args:
        alarms: What is the case now.
        model: Name and version of the model.
        settings: Where alarms go.
        state: What was told before.
        now: The time, in seconds since 1970.

    Returns:
        What could not be told, and why; it is tried again at the next run.
    """
    problems, sent = [], state.sent()
    causes = {one.cause: one for one in alarms}
    for alert in settings.alert:
        before = {cause: at for (cause, place), at in sent.items() if place == alert.place}
        for cause in dict.fromkeys([*causes, *before]):
            alarm, at = causes.get(cause), before.get(cause)
            if alarm is not None and at is not None and not _is_over(at, now, settings):
                continue
            try:
                _deliver(alert, model, cause, alarm)
            except (OSError, smtplib.SMTPException, ValueError) as error:
                problems.append(f"{printable(alert.place)}: {printable(first_line(error))}")
                continue
            if alarm is None:
                state.mark_ended(cause, alert.place)
            else:
                state.mark_sent(cause, alert.place, now)
    for problem in problems:
        warn(f"An alarm could not be told, and is tried again next time. {problem}")
    return tuple(problems)


def _is_over(sent: float, now: float, settings: WatchSettings) -> bool:
    """Tell whether the quiet period is; a clock that was put back ends none, nor makes one last."""
    return not 0 <= now - sent < settings.quiet_hours * 3600


def _deliver(alert: Alert, model: str, cause: str, alarm: Alarm | None) -> None:
    told = {"cause": cause, "told": "over", "runbook": ""} if alarm is None else asdict(alarm)
    values = {"model": model, "state": "over" if alarm is None else "alarm", **told}
    state = "is over" if alarm is None else f"ALARM: {alarm.told}"
    text = f"{model}: {cause}: {state}" + (f"\n{alarm.runbook}" if alarm and alarm.runbook else "")
    if alert.file is not None:
        append_whole(alert.file, json.dumps({"at": timestamp(), **values}) + "\n")
    elif alert.webhook is not None:
        _post(alert.webhook, {"text": text, **values})
    else:
        _mail(alert, f"{model}: {cause} {'is over' if alarm is None else 'alarm'}", text)


def _post(address: str, values: dict[str, str]) -> None:
    headers = {"Content-Type": "application/json"}
    content = json.dumps(values).encode()
    request = urllib.request.Request(address, content, headers, method="POST")
    with urllib.request.urlopen(request, timeout=_SECONDS):
        pass


def _mail(alert: Alert, subject: str, text: str) -> None:
    message = EmailMessage()
    message["Subject"] = printable(subject)
    message["From"], message["To"] = alert.sender, alert.email
    message.set_content(text)
    host, _, port = (alert.smtp or "").partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=_SECONDS) as server:
        if alert.user is not None and alert.password_from is not None:
            password = os.environ.get(alert.password_from)
            if password is None:
                raise ValueError(f"the environment has no {alert.password_from}")
            server.starttls(context=ssl.create_default_context())
            server.login(alert.user, password)
        server.send_message(message)
