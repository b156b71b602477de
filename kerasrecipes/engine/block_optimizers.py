"""One optimizer per block, so that each keeps its state and has its own learning rate."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.engine.rates import ADAMW, StageRates, averages_itself, curve_options, usual_curve
from kerasrecipes.engine.schedule import Stage
from kerasrecipes.keras_private import averages_of, trained_by

if TYPE_CHECKING:
    import keras

    from kerasrecipes.engine.wanted import Settings


@dataclass
class BlockOptimizers:
    """An optimizer for every block of a backbone and for the head, kept from stage to stage.

    Weights that go on training keep their moments and are past their warm-up. Newly opened
    blocks begin with a warm-up of their own. Keras's `MultiOptimizer` runs them together.

    Args:
        spec: The backbone; layers that belong to no block are the head.
        weight_decay: Decoupled weight decay; biases and norms are spared.
        clip_norm: Largest norm of the gradient of one block; `None` for no limit.
        accumulate: Steps whose gradients are averaged for one update.
        ema: Whether to keep a moving average of the weights.
        l2_sp: Pull of the backbone toward where it started; it takes the place of weight decay
            there, since it decays the difference. A head has no such start.
        adaptive_clip: Largest norm of the gradient of a unit of the backbone over that of its
            weights; `None` for no limit. The head is spared, as its paper says.
        optimizer: A name of `kerasrecipes.optimizers.list_optimizers()`, or what makes one.
        optimizer_options: What it is told besides.
        curve: How the rates rise and fall, one of `kerasrecipes.engine.rates.CURVES`; `None` for
            a cosine, or for what stays where the optimizer averages instead.
        curve_options: What it is told besides.
    """

    spec: Backbone
    weight_decay: float
    clip_norm: float | None = None
    accumulate: int = 1
    ema: bool = True
    l2_sp: float = 0.0
    adaptive_clip: float | None = None
    optimizer: Any = ADAMW
    optimizer_options: dict | None = None
    curve: str | None = None
    curve_options: dict | None = None
    _kept: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: "Settings", spec: Backbone) -> "BlockOptimizers":
        """Take the settings of a recipe."""
        return cls(
            spec,
            recipe.weight_decay,
            recipe.clip_norm,
            recipe.accumulate,
            recipe.ema,
            recipe.l2_sp,
            recipe.adaptive_clip,
            recipe.optimizer,
            recipe.optimizer_options,
            recipe.curve,
            recipe.curve_options,
        )

    @property
    def averages(self) -> bool:
        """Whether the optimizer keeps the average itself."""
        return averages_itself(self.optimizer)

    def for_stage(
        self, model: "keras.Model", stage: Stage, steps: int, rates: StageRates | None = None
    ) -> "keras.optimizers.Optimizer":
        """Return the optimizer of one stage.

        Args:
            model: The whole functional model, with `trainable` already set.
            stage: Its learning rate and how that falls from block to block.
            steps: Steps per epoch.
            rates: Peaks of the learning rates, if the stage leaves them open.

        Returns:
            A built Keras optimizer; the one of the head itself if the head alone trains.
        """
        import keras

        parts: dict[int, list] = {}
        for layer in model.layers:
            # Of the weights, not of the layer: one that is adapted counts as frozen itself.
            if opened := [weight for weight in layer.weights if weight.trainable]:
                block = self.spec.block_of(layer.name)
                part = len(self.spec.blocks) if block is None else block
                parts.setdefault(part, []).extend(opened)
        updates = max(1, steps * stage.epochs // self.accumulate)
        rates = rates or StageRates.of(stage)
        for part, variables in parts.items():
            depth = len(self.spec.blocks) - part
            peak = rates.blocks * stage.layer_decay ** (depth - 1) if depth else rates.head
            self._begin(part, variables, stage, peak, updates)
        if len(parts) == 1:
            return self._kept[next(iter(parts))]
        together = keras.optimizers.MultiOptimizer(self._map(parts))
        together.build(model.trainable_variables)
        return together

    def for_search(self) -> "keras.optimizers.Optimizer":
        """Make an optimizer by which a learning rate is searched, for all weights alike."""
        import keras

        from kerasrecipes.optimizers.kinds import kind_of_optimizer, make_optimizer

        if self.optimizer == ADAMW or kind_of_optimizer(self.optimizer).hidden:
            return keras.optimizers.AdamW()
        return make_optimizer(self.optimizer, self.optimizer_options, learning_rate=1e-3)

    def get_state(self, model: "keras.Model") -> dict:
        """Return the optimizers' variables, and which weights of the model each one updates.

        Args:
            model: The whole model.
        """
        import keras

        places = {id(variable): i for i, variable in enumerate(model.variables)}
        return {
            str(part): {
                "trains": [places[id(variable)] for variable in trained_by(kept)],
                "values": [np.array(keras.ops.convert_to_numpy(v)) for v in kept.variables],
            }
            for part, kept in self._kept.items()
        }

    def set_state(self, model: "keras.Model", state: dict) -> None:
        """Build the optimizers of stages that are done, as `get_state` found them.

        Args:
            model: The whole model, built as before.
            state: What `get_state` returned.
        """
        import keras

        variables = model.variables
        self._kept.clear()
        for part, saved in state.items():
            # The next stage gives it a rate; any schedule will do until then.
            rate = keras.optimizers.schedules.CosineDecay(1e-3, 1)
            kept = self._kept[int(part)] = self._new(int(part), rate, 0.9)
            kept.build([variables[i] for i in saved["trains"]])
            for variable, value in zip(kept.variables, saved["values"], strict=True):
                variable.assign(value)

    def _begin(self, part: int, variables: list, stage: Stage, peak: float, updates: int) -> None:
        import keras

        from kerasrecipes.optimizers.curves import stage_curve

        kept = self._kept.get(part)
        done = 0 if kept is None else int(keras.ops.convert_to_numpy(kept.iterations))
        warmup = max(1, round(stage.warmup_fraction * updates))
        shape = usual_curve(self.curve, self.optimizer)
        rate = stage_curve(
            shape, peak, updates, warmup, done, curve_options(shape, self.curve_options)
        )
        # A short run must not be averaged with its beginning.
        momentum = min(max(1 - 10 / updates, 0.9), 0.999)
        if kept is None:
            self._kept[part] = self._new(part, rate, momentum)
            self._kept[part].build(variables)
            return
        kept.learning_rate = rate
        if self.averages:
            kept.begin_anew()
            return
        kept.ema_momentum = momentum
        if self.ema:
            # The average begins anew at the weights that the last stage chose.
            averages = averages_of(kept)
            for average, variable in zip(averages, trained_by(kept), strict=True):
                # A copy: with JAX, both would hold one array, which a step may use up once.
                average.assign(np.array(keras.ops.convert_to_numpy(variable)))

    def _new(self, part: int, rate: float, momentum: float) -> "keras.optimizers.Optimizer":
        from kerasrecipes.optimizers.kinds import kind_of_optimizer, make_optimizer

        pretrained = part < len(self.spec.blocks)
        hidden = kind_of_optimizer(self.optimizer).hidden
        name, options = self.optimizer, self.optimizer_options
        if hidden and not pretrained:
            name, options = ADAMW, None
        # Of AdamW alone: others are refused with them.
        held: dict[str, Any] = {"l2_sp": self.l2_sp, "adaptive_clip": self.adaptive_clip}
        return make_optimizer(
            name,
            options,
            learning_rate=rate,
            **(held if pretrained and name == ADAMW else {}),
            weight_decay=0.0 if self.l2_sp and pretrained else self.weight_decay,
            global_clipnorm=self.clip_norm,
            gradient_accumulation_steps=self.accumulate if self.accumulate > 1 else None,
            use_ema=self.ema,
            ema_momentum=momentum,
        )

    def _map(self, parts: dict[int, list]) -> Any:
        import keras

        by_path = {
            "|".join(re.escape(variable.path) for variable in variables): self._kept[part]
            for part, variables in parts.items()
        }
        return keras.optimizers.OptimizerMap(self._kept[max(parts)], by_path)
