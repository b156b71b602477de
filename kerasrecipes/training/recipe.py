"""What every recipe has in common: an inert constructor, a config, and a fitted state."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from kerasrecipes.engine.schedule import UnfreezeSchedule
from kerasrecipes.settings.engine_rows import ENGINE_ROWS
from kerasrecipes.settings.setting import Setting
from kerasrecipes.settings.written.meanings import with_arguments_of
from kerasrecipes.surgery.adapters import Adapter
from kerasrecipes.training.fitted import Fittable


@dataclass(kw_only=True, repr=False, eq=False)
class Recipe(Fittable):
    """A description of a training run. It has a model; it is not one.

    A recipe's constructor stores its arguments under their own names and does nothing else, so
    that it can be printed, compared and written down before it runs. What `fit` learns ends in
    an underscore, see `Fitted`. A subclass has settings of its own, and a `table` of all of them;
    what they mean is added to its docstring.

    Args:
        head: A name of `kerasrecipes.list_heads()`.
        head_norm: `"layer"` or `"group"` to normalize pooled features, photo by photo, for
            batches too small for BatchNormalization; `None` for not at all.
        schedule: The stages; `None` for `UnfreezeSchedule.two_phase()`.
        weights: `"default"`, `"imagenet"` (a download), a local file, or `None` for
            random weights.
        mix: `"mixup"` or `"cutmix"` to train on mixtures of two photos, or of their features
            where training begins behind frozen blocks; `None` for neither. In front of pooled
            features, `"cutmix"` is `"mixup"`.
        mix_alpha: Parameter of the Beta distribution of the shares.
        batch_size: Photos per training step.
        dropout: Fraction of pooled features that a training step leaves out.
        loss: A name of `kerasrecipes.list_losses()`; `None` for the head's own.
        loss_options: Further arguments of the loss, e.g. `{"gamma": 2.0}`.
        label_smoothing: How much of each target is spread over the other classes; `None` for
            0.1 if the loss can use it.
        weight_decay: Decoupled weight decay of AdamW; biases and norms are spared.
        adapter: A `LowRank`, `Bottleneck` or `BitFit` to train in open blocks in place of their
            weights, and merged into these in the end; `None` to train the weights themselves.
            A schedule that opens many blocks is then affordable.
        stochastic_depth: How often a training step leaves out the last residual branch of the
            backbone; earlier ones linearly less, frozen ones never (Huang et al., 2016).
        l2_sp: Pull of open blocks toward the pretrained weights, in place of their weight decay
            (Li et al., 2018); see `FineTuningAdamW`. The head has no start to hold on to.
        clip_norm: Largest norm of the gradient of one block; `None` for no limit.
        adaptive_clip: Largest norm of the gradient of one unit of the backbone, as a share of
            the norm of its weights, e.g. 0.05 (AGC; Brock et al., 2021); `None` for no limit.
        accumulate: Steps whose gradients are averaged for one update, which acts like a batch
            so many times as large without its memory.
        class_weights: How much rare classes count in training: `"balanced"` by the inverse of
            their frequency, `"sqrt"` by its square root, `"effective"` by the effective number
            of photos (Cui et al., 2019), `None` not more than others. `"auto"` is `"sqrt"` if
            the largest class has more than 1.5 times the photos of the smallest and the loss
            does not weigh rarity itself.
        ema: Whether to measure and return a moving average of the weights, over about a tenth
            of a stage's steps, instead of the last step's (Polyak & Juditsky, 1992).
        batch_norm: `"frozen"` to leave BatchNormalization as it was pretrained; `"reestimate"`
            to set its statistics once, before anything trains, to those of about 256 training
            photos, each class alike, and freeze it then; `"train"` to let open blocks train it.
        patience: Epochs without improvement of the validation loss before a stage ends;
            `None` for `max(10, 20 % of the epochs)`.
        cache_gb: Disk that the output of frozen blocks may take while fitting.
        precision: What the backbone computes in while it trains: `"float32"`,
            `"mixed_float16"`, `"mixed_bfloat16"`, or `"auto"` for 16 bits only where the
            hardware is made for it. Weights, and the finished model, are float32 either way.
        rematerialise: Compute the blocks that train once more for their gradient instead of
            keeping all between their inputs and outputs: less memory, about a third more time.
        devices: What shares each batch: `None` for one device, `"auto"` for all GPUs, their
            number, names such as `["GPU:0", "GPU:1"]`, or `"workers"` for several processes, on
            one or more machines, that TF_CONFIG names to tensorflow and that all call `fit`
            alike, before tensorflow computes anything. Each ends with the same model.
        seed: Seed of the initial head, the order, the augmentation and the dropout. `fit`
            also sets Keras's global seed with it.
        deterministic: Let TensorFlow use deterministic operations only (slower on a GPU): two
            fits, also in two processes on one kind of machine, then end with the same bits.
    """

    table: ClassVar[tuple[Setting, ...]] = ENGINE_ROWS
    head: str = "classification"
    head_norm: str | None = None
    schedule: UnfreezeSchedule | None = None
    weights: str | Path | None = "default"
    mix: str | None = None
    mix_alpha: float = 0.2
    batch_size: int = 32
    dropout: float = 0.2
    loss: str | None = None
    loss_options: dict | None = None
    label_smoothing: float | None = None
    weight_decay: float = 1e-2
    adapter: Adapter | None = None
    stochastic_depth: float = 0.0
    l2_sp: float = 0.0
    clip_norm: float | None = None
    adaptive_clip: float | None = None
    accumulate: int = 1
    class_weights: str | None = "auto"
    ema: bool = True
    batch_norm: str = "frozen"
    patience: int | None = None
    cache_gb: float = 4.0
    precision: str = "auto"
    rematerialise: bool = False
    devices: str | int | list[str] | None = None
    seed: int = 0
    deterministic: bool = False

    def __init_subclass__(cls) -> None:
        cls.__doc__ = with_arguments_of(cls.__doc__, cls.__mro__[1].__doc__)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-safe data."""
        return {row.name: row.kind.to_plain(getattr(self, row.name)) for row in self.table}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a recipe from what `get_config` returned."""
        kinds = {row.name: row.kind for row in cls.table}
        known = {name: kinds[name].from_plain(config[name]) for name in config if name in kinds}
        return cls(**{**config, **known})

    def __repr__(self) -> str:
        changed = ", ".join(
            f"{row.name}={getattr(self, row.name)!r}"
            for row in self.table
            if getattr(self, row.name) != getattr(type(self), row.name)
        )
        return f"{type(self).__name__}({changed})"
