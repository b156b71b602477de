"""When a smaller model answers in place of the usual one: while a device is hot, or too slow.

It stands alone: its text becomes part of the one file that a device has.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

HOT, SLOW = "hot", "slow"
SENSOR = "/sys/class/thermal/thermal_zone0/temp"
# One answer may have waited for anything; so many in a row have not.
SLOW_IN_A_ROW = 3
# After so many answers of the smaller model the usual one is tried again; where it is still slow,
# after twice as many, and so on.
TRIED_AFTER, TRIED_LATEST = 20, 640
# Degrees below the limit from which on it is no longer hot.
COOLER = 5.0


@dataclass
class Sparing:
    """Which of two models answers, and why; it is kept from one start of a device to the next.

    Args:
        why: `"hot"` or `"slow"` while the smaller model answers; else empty.
        count: While it is slow, answers of the smaller model; else answers of the usual one in a
            row, those that were too slow above 0, those that were not below.
        wait: After how many answers of the smaller model the usual one is tried again.
        switched: How often the smaller model has taken over, ever.
    """

    why: str = ""
    count: int = 0
    wait: int = TRIED_AFTER
    switched: int = 0

    @classmethod
    def read(cls, text: str) -> "Sparing":
        """Return what `text` was written of; a new one where that is none."""
        try:
            found = cls(**json.loads(text))
            whole = {type(found.count), type(found.wait), type(found.switched)} == {int}
            waits = whole and TRIED_AFTER <= found.wait <= TRIED_LATEST
            if waits and found.why in ("", HOT, SLOW):
                return found
        except (ValueError, TypeError, RecursionError):
            pass
        return cls()

    def text(self) -> str:
        """Return it as it is kept."""
        return json.dumps(asdict(self))

    def felt(self, celsius: float, limit: float) -> None:
        """Heed how warm it is, before an answer.

        Args:
            celsius: Its temperature.
            limit: From which on it is hot; it ends some degrees below.
        """
        if celsius >= limit:
            self.switched += not self.why
            self.why = HOT
        elif self.why == HOT and celsius <= limit - COOLER:
            self.why, self.count = "", 0

    def took(self, ms: float, limit: float) -> None:
        """Heed how long the model took for an answer.

        Args:
            ms: How long, of the model that answers.
            limit: What is too slow of the usual one.
        """
        if self.why == HOT:
            return
        if self.why == SLOW:
            self.count += 1
            if self.count >= self.wait:
                self.why, self.count, self.wait = "", 0, min(2 * self.wait, TRIED_LATEST)
        elif ms > limit:
            self.count = max(self.count, 0) + 1
            if self.count >= SLOW_IN_A_ROW:
                self.why, self.count = SLOW, 0
                self.switched += 1
        else:
            self.count = min(self.count, 0) - 1
            if self.count <= -self.wait:
                self.wait = TRIED_AFTER


def celsius_of(path: str) -> float:
    """Return what a sensor says.

    Args:
        path: A file with thousandths of a degree, as Linux has one for each sensor.
    """
    return int(Path(path).read_text(encoding="ascii")) / 1000
