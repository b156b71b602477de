"""Running one stage: freeze, cut, compile, fit, and keep the best weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrecipes.backbones.spec import Backbone
from kerasrecipes.console import say
from kerasrecipes.data.batches import Sizes, epoch_order
from kerasrecipes.engine.block_optimizers import BlockOptimizers
from kerasrecipes.engine.cautions import too_few
from kerasrecipes.engine.devices.devices import Devices
from kerasrecipes.engine.devices.memory_limit import search_within_memory, within_memory
from kerasrecipes.engine.devices.precision import (
    FLOAT16,
    FLOAT32,
    choose_precision,
    computing_in,
    with_loss_scaling,
)
from kerasrecipes.engine.devices.split_step import stage_model
from kerasrecipes.engine.feeds import class_sides, train_batches, val_batches, val_steps
from kerasrecipes.engine.freezing import FreezePolicy, held_still
from kerasrecipes.engine.frozen.frozen_part import FrozenPart, Side
from kerasrecipes.engine.lesson import Lesson
from kerasrecipes.engine.rates import (
    PLATEAU,
    RateSearch,
    StageRates,
    curve_options,
    rates_found,
    search_rates,
)
from kerasrecipes.engine.run_record import RunRecord, Stopwatch
from kerasrecipes.engine.schedule import Stage
from kerasrecipes.engine.user_callbacks import counted_on, summaries_of
from kerasrecipes.errors import TrainingError, listed
from kerasrecipes.report.run_report import StageReport
from kerasrecipes.surgery.rematerialisation import rematerialised
from kerasrecipes.surgery.stochastic_depth import Branch, drop_branches

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kerasrecipes.callbacks.early_stopping import EarlyStopping
    from kerasrecipes.engine.wanted import Feed, Settings


@dataclass
class StageRunner:
    """What all stages of one fit share.

    Args:
        model: The whole model, photos to scores.
        spec: Its backbone.
        lesson: What it is trained towards.
        train: Training examples.
        val: Validation examples.
        frozen: Cached outputs of the frozen blocks.
        optimizers: What updates the weights, block by block.
        settings: The recipe, for its numbers.
        callbacks: The user's own callbacks.
        adapters: The only weights of the backbone that may train; see `FreezePolicy`.
        branches: Residual branches that are left out at times, by the name of their addition.
        devices: What shares the work.
        precision: What the layers of the backbone compute in.
        parts: In how many parts a batch is computed, one after the other, for lack of memory.
        record: Keeps the run on the disk; `None` for no run folder.
        epochs_run: How many epochs the stages before have run.
        epochs_planned: How many there will be at most, with those.
        summaries: What callbacks with a `summary()` had to say, by stage and callback.
    """

    model: "keras.Model"
    spec: Backbone
    lesson: Lesson
    train: Side
    val: Side
    frozen: FrozenPart
    optimizers: BlockOptimizers
    settings: "Settings"
    callbacks: "tuple[keras.callbacks.Callback, ...]"
    adapters: frozenset[int] | None = None
    branches: dict[str, Branch] = field(default_factory=dict)
    devices: Devices = field(default_factory=Devices)
    precision: str = FLOAT32
    parts: int = 1
    record: RunRecord | None = None
    epochs_run: int = 0
    epochs_planned: int = 0
    summaries: dict[str, dict] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        recipe: Any,
        model: "keras.Model",
        spec: Backbone,
        lesson: Lesson,
        sides: tuple[Side, Side],
        callbacks: Sequence["keras.callbacks.Callback"] = (),
        memory: dict | None = None,
    ) -> "StageRunner":
        """Wire what trains a model as a recipe says.

        Args:
            recipe: The recipe.
            model: The whole model.
            spec: Its backbone; one without blocks trains in single precision.
            lesson: What it is trained towards.
            sides: Training, then validation.
            callbacks: The user's own callbacks.
            memory: What fits of recipes with the same backbone, weights and head share.
        """
        return cls(
            model=model,
            spec=spec,
            lesson=lesson,
            train=sides[0],
            val=sides[1],
            frozen=FrozenPart(model, spec, sides, recipe.cache_gb, memory),
            optimizers=BlockOptimizers.of(recipe, spec),
            settings=recipe,
            callbacks=tuple(callbacks),
            precision=choose_precision(recipe.precision) if spec.blocks else FLOAT32,
        )

    def run(self, stage: Stage, later: list[Stage], first_epoch: int) -> tuple[StageReport, bool]:
        """Train one stage and put its best weights into the model.

        Args:
            stage: What to train.
            later: The stages that follow it.
            first_epoch: Number of epochs planned before, so that no stage repeats the
                order of another one.

        Returns:
            The facts, and whether the user interrupted it.

        Raises:
            KeyboardInterrupt: If interrupted before the first epoch began.
        """
        watch = Stopwatch()
        first_open = self._first_open(stage)
        train_norms = self.settings.batch_norm == "train"
        opened = len(self.spec.blocks) - first_open
        policy = FreezePolicy(opened, train_norms, self.adapters)
        summary = policy.apply(self._learner, self.spec)
        say(f"Stage '{stage.name}': up to {stage.epochs} epochs\n{summary}")
        begin, feeds = self._sources(first_open, later)
        rates = self._rates(begin, feeds[0], stage, first_epoch)
        if self.record is not None:
            self.record.save(self)

        def fit() -> tuple[dict[str, list[float]], int | None, bool]:
            with self.devices.scope(), computing_in(self.precision, self._backbone):
                trained = self._trained(begin, first_open, first_epoch, self.parts)
                return self._fit(trained, feeds, stage, first_epoch, watch, rates)

        history, best_epoch, interrupted = within_memory(self, stage, fit)
        self.frozen.trained_from(first_open)
        report = StageReport(
            name=stage.name,
            epochs_planned=stage.epochs,
            epochs_run=len(history.get("loss", ())),
            best_epoch=best_epoch,
            learning_rate=rates.head,
            trainable_parameters=summary.trainable_parameters,
            total_parameters=summary.total_parameters,
            freeze_table=list(summary.rows),
            history=history,
            seconds=watch.seconds,
            precision=self.precision,
            devices=self.devices.count,
        )
        return report, interrupted

    @cached_property
    def _learner(self) -> "keras.Model":
        """The model up to what the loss is computed on; a head may have weights behind it."""
        import keras

        return keras.Model(self.model.input, self.model.get_layer(self.lesson.trains).output)

    @property
    def _steps(self) -> int:
        """Steps per epoch."""
        return math.ceil(len(self.train.examples) / self.settings.batch_size)

    def _first_open(self, stage: Stage) -> int:
        return stage.first_open(len(self.spec.blocks))

    def _sources(self, first_open: int, later: list[Stage]) -> "tuple[Any, Sequence[Feed]]":
        """Return where training begins, and what feeds it on each side."""
        cached = self.frozen.sources(first_open, [self._first_open(stage) for stage in later])
        return cached or (self.model.input, [self.train.reader.batches, self.val.reader.batches])

    def _trained(
        self, begin: "keras.KerasTensor", first_open: int, first_epoch: int, parts: int
    ) -> "keras.Model":
        """Return the model to train, up to what the loss wants."""
        import keras

        end = self.model.get_layer(self.lesson.trains).output
        cut, entered = self.spec.boundary(self.model, first_open), begin
        if first_open and begin is self.model.input:
            # As in the cache, what is frozen drops nothing out while the rest trains.
            entered = held_still(keras.Model(begin, cut))(begin)
        if self.settings.rematerialise:
            norms = self.settings.batch_norm == "train"
            end = rematerialised(self.model, self.spec, first_open, entered, end, norms)
            return stage_model(begin, end, parts, self.devices)
        part = self._open_part(cut, end, first_epoch)
        end = part.output if entered is cut else part(entered)
        begin = part.input if entered is cut else begin
        return stage_model(begin, end, parts, self.devices)

    @property
    def _backbone(self) -> list:
        """The layers that compute in another precision than the head."""
        import keras

        if self.precision == FLOAT32:
            return []
        end = self.spec.boundary(self.model, len(self.spec.blocks))
        return keras.Model(self.model.input, end).layers

    def _open_part(
        self, begin: "keras.KerasTensor", end: "keras.KerasTensor", first_epoch: int
    ) -> "keras.Model":
        """Return the model from one tensor to another, without branches that are left out."""
        import keras

        part = keras.Model(begin, end)
        dropped = [one for one in part.operations if one.name in self.branches]
        if not dropped:
            return part
        rates = [self.branches[one.name].rate for one in dropped]
        say(
            f"  {len(rates)} residual branches are left out at times, {min(rates):.2g} to "
            f"{max(rates):.2g} of the steps."
        )
        return drop_branches(part, self.branches, (self.settings.seed, first_epoch))

    def _fit(self, trained: "keras.Model", feeds: "Sequence[Feed]", stage: Stage,
        first_epoch: int, watch: Stopwatch, rates: StageRates,
    ) -> tuple[dict[str, list[float]], int | None, bool]:  # fmt: skip
        from kerasrecipes.callbacks.progress import Interrupts, LearningRateLog, Progress

        val = val_batches(self, feeds[1])
        self._compile(trained, stage, rates)
        history, interrupts, progress = LearningRateLog(), Interrupts(), Progress(stage.name)
        errors, ran = self.train.reader.errors, self.epochs_run
        own = (*self.callbacks, *stage.callbacks)
        count = counted_on(own, ran, ran * self._steps, self.epochs_planned)
        with errors(), self.val.reader.errors(), interrupts, progress, count:
            start = self._start_value(trained, val, stage)
            stopping = self._stopping(stage, start)
            # Of a few photos, the loss would put back some weights from near the start.
            judge = [] if too_few(self.val.examples) else [stopping]
            callbacks = self._callbacks(stage, first_epoch, history, interrupts, *judge, progress)
            done, last = 0, stage.epochs
            if self.record is not None:
                callbacks, done, last = self.record.resume_stage(trained, stage, callbacks, watch)
            self._show_whole(feeds, own)
            # One epoch more than is used: Keras asks for it to see that there is none.
            epochs = range(first_epoch + done, first_epoch + stage.epochs + 1)
            try:
                trained.fit(
                    train_batches(self, feeds[0], epochs),
                    initial_epoch=done,
                    epochs=last,
                    steps_per_epoch=self._steps,
                    shuffle=False,
                    validation_data=val,
                    validation_steps=val_steps(self),
                    callbacks=callbacks,
                    verbose=0,
                )
            except KeyboardInterrupt:
                stopping.restore()
                return history.history, stopping.summary()["best_epoch"], True
        self.summaries.update(summaries_of(stage.name, callbacks))
        return history.history, stopping.summary()["best_epoch"], False

    def _compile(self, trained: "keras.Model", stage: Stage, rates: StageRates) -> None:
        optimizer = self.optimizers.for_stage(self._learner, stage, self._steps, rates)
        optimizer = self.devices.prepare(with_loss_scaling(optimizer, self.precision))
        trained.compile(optimizer, self.lesson.loss, metrics=self.lesson.metrics())

    def _show_whole(
        self, feeds: "Sequence[Feed]", callbacks: "Sequence[keras.callbacks.Callback]"
    ) -> None:
        """Let callbacks look beyond a stage: at the whole model, and the photos of each class."""
        for callback in callbacks:
            if hasattr(callback, "follow_model"):
                callback.follow_model(self.model)
            if hasattr(callback, "follow_classes"):
                names, sides = self.train.examples.class_names, partial(class_sides, self, feeds)
                callback.follow_classes(names, sides)

    def _rates(
        self, begin: "keras.KerasTensor", feed: "Feed", stage: Stage, first_epoch: int
    ) -> StageRates:
        """Return the stage's learning rates; those that are searched are searched once in a run."""
        import keras

        if stage.learning_rate != "auto":
            return StageRates.of(stage)
        name = f"{stage.name}: find_learning_rate"
        if name not in self.summaries:
            passes = math.ceil(RateSearch.steps / self._steps)
            epochs = range(first_epoch, first_epoch + passes)
            # A search runs steps of Keras's own, not in parts.
            optimizer = self.optimizers.for_search()
            if self.precision == FLOAT16:
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            outside = [one for one in self.model.layers if self.spec.block_of(one.name) is None]
            head = [w for layer in outside for w in layer.weights if w.trainable]
            computing = computing_in(self.precision, self._backbone)
            with self.train.reader.errors(), search_within_memory(stage), computing:
                trained = self._trained(begin, self._first_open(stage), first_epoch, parts=1)
                trained.compile(optimizer, self.lesson.loss)
                found = search_rates(trained, train_batches(self, feed, epochs), stage, head)
            self.summaries[name] = found.to_dict()
            say(str(found))
            if self.record is not None:
                found.plot(self.record.folder, f"learning-rate-{len(self.record.stages) + 1}")
        return rates_found(self.summaries[name])

    def _start_value(self, trained: "keras.Model", val: "tf.data.Dataset", stage: Stage) -> float:
        found = trained.evaluate(val, steps=val_steps(self), verbose=0, return_dict=True)
        loss = found["loss"]
        if not math.isfinite(loss):
            raise TrainingError(
                f"The validation loss is {loss} before stage '{stage.name}' begins. "
                "Are the weights that were loaded damaged?"
            )
        value: float = found[self.lesson.monitor.removeprefix("val_")]
        return value

    def _stopping(self, stage: Stage, start: float) -> "EarlyStopping":
        from kerasrecipes.callbacks.early_stopping import EarlyStopping

        patience = self.settings.patience if stage.patience is None else stage.patience
        return EarlyStopping(self.lesson.monitor, patience=patience, start_value=start)

    def _callbacks(self, stage: Stage, first_epoch: int, *own: "keras.callbacks.Callback") -> list:
        import keras

        from kerasrecipes.callbacks.divergence_guard import DivergenceGuard

        def files(step: int) -> str:
            examples = self.train.examples
            names = [examples.items[i].name for i in self._indices(step, first_epoch)]
            return f"{examples.noun[1]} {listed(names)}"

        # First in the list: what follows it measures, and keeps, the averaged weights.
        swap = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if self.settings.ema else []
        guard = DivergenceGuard(describe=files)
        return [*swap, *self.callbacks, *stage.callbacks, guard, *self._plateau(), *own]

    def _plateau(self) -> "list[keras.callbacks.Callback]":
        """Lower the rates when what is monitored stalls, if the recipe says so."""
        from kerasrecipes.callbacks.learning_rates.plateau_rate import PlateauRate

        if self.settings.curve != PLATEAU:
            return []
        options = curve_options(PLATEAU, self.settings.curve_options)
        patience = int(options["patience"])
        return [PlateauRate(self.lesson.monitor, factor=options["factor"], patience=patience)]

    def _indices(self, step: int, first_epoch: int) -> np.ndarray:
        """Return which photos a step of this stage trained on."""
        count, size = len(self.train.examples), self.settings.batch_size
        epoch, batch = divmod(step, self._steps)
        sizes = self.train.reader.sizes
        alike = None if sizes is None else Sizes(sizes, size)
        strata = self.lesson.strata
        order = epoch_order(count, self.settings.seed, first_epoch + epoch, alike, strata)
        return order[batch * size : (batch + 1) * size]
