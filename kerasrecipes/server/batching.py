"""Examples of different requests, computed together; off unless it is asked for."""

import asyncio
from collections.abc import Callable, Mapping

import numpy as np

from kerasrecipes.export.format import LoadedModel
from kerasrecipes.server.lane import Lane
from kerasrecipes.server.refused import overloaded

Answers = Mapping[str, np.ndarray]
_Waiting = tuple[np.ndarray, "asyncio.Future[Answers]"]


class Batcher:
    """Collects examples for one model; each caller gets the answers to its own.

    Args:
        model: The opened file.
        lane: Where it is computed.
        size: Up to how many examples are computed together.
        delay_seconds: How long the first of them waits for others.
        told: Is told how many were computed together.
    """

    def __init__(
        self,
        model: LoadedModel,
        lane: Lane,
        size: int,
        delay_seconds: float,
        told: Callable[[int], None],
    ):
        self._model, self._lane, self._told = model, lane, told
        self._size, self._delay = size, delay_seconds
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, examples: np.ndarray) -> Answers:
        """Return the answers to some examples.

        Args:
            examples: As the file takes them, `(n, *shape)`.

        Raises:
            DataError: If the file cannot take them.
            Refused: If too many wait.
        """
        if len(self._waiting) >= self._lane.queue:
            raise overloaded(f"{len(self._waiting)} requests wait to be computed together.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answers] = loop.create_future()
        self._waiting.append((examples, future))
        if sum(len(one) for one, _ in self._waiting) >= self._size:
            self._begin()
        elif self._timer is None:
            self._timer = loop.call_later(self._delay, self._begin)
        return await future

    def _begin(self) -> None:
        """Compute what waits, each shape for itself, since texts differ in length."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        groups: dict[object, list[_Waiting]] = {}
        for examples, future in self._waiting:
            key = (examples.shape[1:], examples.dtype)
            groups.setdefault(key, []).append((examples, future))
        self._waiting = []
        for group in groups.values():
            task = asyncio.ensure_future(self._compute(group))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _compute(self, group: list[_Waiting]) -> None:
        together = np.concatenate([examples for examples, _ in group])
        try:
            answers = await self._lane.run(lambda: self._model(together))
        except Exception as error:
            if len(group) > 1:  # only who is to blame shall fail
                for one in group:
                    await self._compute([one])
            elif not group[0][1].done():
                group[0][1].set_exception(error)
            return
        self._told(len(together))
        start = 0
        for examples, future in group:
            end = start + len(examples)
            if not future.done():
                future.set_result({name: rows[start:end] for name, rows in answers.items()})
            start = end
