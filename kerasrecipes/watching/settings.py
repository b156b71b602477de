"""What a watch asks, and whom it tells: a file that people keep with their code.

```toml
max_p95_ms = 50.0
max_error_fraction = 0.01
runbook = "https://wiki.example.com/tiles#{cause}"

[[alert]]
file = "alarms.jsonl"

[[alert]]
webhook = "https://chat.example.com/hooks/line-2"
```
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kerasrecipes.arguments import named
from kerasrecipes.drift.profile import FEWEST
from kerasrecipes.records import read_toml

_Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Alert(BaseModel):
    """Where alarms go: one of a file, a webhook and an address.

    Args:
        file: A file to which a line of JSON is added.
        webhook: An address that gets JSON by POST, with a `text` that chats show.
        email: An address that gets a mail.
        smtp: The mail server, e.g. `"mail.example.com:587"`.
        sender: The address that the mail is from.
        user: Name to log in to the mail server; it is asked over TLS alone then.
        password_from: Name of the environment variable that holds the password.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str | None = None
    webhook: str | None = Field(default=None, pattern="^https?://")
    email: str | None = Field(default=None, pattern="^[^@\\s]+@[^@\\s]+$")
    smtp: str | None = Field(default=None, pattern=r"^[^:/\s]+(:\d+)?$")
    sender: str | None = Field(default=None, pattern="^[^@\\s]+@[^@\\s]+$")
    user: str | None = None
    password_from: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "Alert":
        places = [name for name in ("file", "webhook", "email") if getattr(self, name)]
        if len(places) != 1:
            raise ValueError("an alert needs one of `file`, `webhook` and `email`")
        if (self.email is None) != (self.smtp is None) or (self.smtp is None) != (
            self.sender is None
        ):
            raise ValueError("`email`, `smtp` and `sender` belong together")
        if (self.user is None) != (self.password_from is None) or (self.user and not self.email):
            raise ValueError("`user` and `password_from` belong together, and to `email`")
        return self

    @property
    def place(self) -> str:
        """Which one it is, in a few words."""
        return f"{self.file or self.webhook or self.email}"


class WatchSettings(BaseModel):
    """What a watch asks.

    Args:
        window: Predictions of one look at drift; the rest waits for the next run.
        labelled_window: The same of predictions whose label is known.
        looks_per_false_alarm: How many looks there are on average between alarms without cause,
            of each cause alone.
        max_p95_ms: 95 of 100 callers must not wait longer; `None` to ask nothing.
        max_error_fraction: Largest share of requests without an answer, 0…1; `None` the same.
        quiet_hours: An alarm that lasts is told again after so many hours.
        runbook: What to do, as an address; `{cause}` stands for the cause.
        alert: Where alarms go.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(default=200, ge=FEWEST, le=10_000)
    labelled_window: int = Field(default=100, ge=FEWEST, le=10_000)
    looks_per_false_alarm: float = Field(default=520.0, ge=2, allow_inf_nan=False)
    max_p95_ms: _Limit | None = None
    max_error_fraction: float | None = Field(default=None, ge=0, lt=1)
    quiet_hours: float = Field(default=24.0, ge=0, allow_inf_nan=False)
    runbook: str = ""
    alert: tuple[Alert, ...] = ()

    @classmethod
    @named
    def read(cls, path: str | Path) -> "WatchSettings":
        """Read a file of settings.

        Args:
            path: A TOML file; files that it names lie beside it.

        Raises:
            DataError: If it is no TOML, or says what is not known.
            OSError: If it cannot be read.
        """
        found = read_toml(cls, Path(path))
        beside = [
            one.model_copy(update={"file": one.file and str(Path(path).parent / one.file)})
            for one in found.alert
        ]
        return found.model_copy(update={"alert": tuple(beside)})
