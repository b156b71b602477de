"""What a stage begins with, so that it can begin again: after a break, or in smaller parts."""

from typing import TYPE_CHECKING

from kerasrecipes.report.plain_values import plain

if TYPE_CHECKING:
    from kerasrecipes.engine.stage import StageRunner


def take_state(runner: "StageRunner") -> dict:
    """Copy everything that training changes.

    Args:
        runner: A `StageRunner`.

    Returns:
        Nested plain values and arrays.
    """
    from kerasrecipes.callbacks.state.model_state import ModelState, RandomState

    return {
        "variables": ModelState(runner.model, optimizer=False).values,
        "optimizers": runner.optimizers.get_state(runner.model),
        "frozen": runner.frozen.get_state(),
        "summaries": plain(runner.summaries),
        "callbacks": [one.get_state() for one in _resumable(runner.callbacks)],
        "random": RandomState().to_dict(),
        "parts": runner.parts,
    }


def put_state(runner: "StageRunner", state: dict) -> None:
    """Put back what `take_state` returned.

    Args:
        runner: A `StageRunner` of the same recipe and photos.
        state: The state.

    Raises:
        ValueError: If it is the state of another model.
    """
    from kerasrecipes.callbacks.state.model_state import ModelState, RandomState

    model = ModelState(runner.model, optimizer=False)
    model.replace(state["variables"])
    with runner.devices.scope():
        model.restore()
        runner.optimizers.set_state(runner.model, state["optimizers"])
    runner.frozen.set_state(state["frozen"])
    runner.summaries.update(state["summaries"])
    for callback, saved in zip(_resumable(runner.callbacks), state["callbacks"], strict=True):
        callback.set_state(saved)
    RandomState.from_dict(state["random"]).restore()
    runner.parts = state["parts"]


def _resumable(callbacks: tuple) -> list:
    """Leave out what Keras's own callbacks cannot tell."""
    return [one for one in callbacks if hasattr(one, "get_state") and hasattr(one, "set_state")]
