"""The settings that every recipe has, with their defaults and their meaning."""

from dataclasses import dataclass
from typing import Any

from kerasrecipes.settings.written.meanings import with_arguments_of
from kerasrecipes.surgery.adapters import Adapter


@dataclass(kw_only=True, repr=False, eq=False)
class EngineSettings:
    """How a model is trained. A subclass says what it learns from, and adds its own.

    Args:
        mix: `"mixup"` or `"cutmix"` to train on mixtures of two photos, or of their features
            where training begins behind frozen blocks; `None` for neither. In front of pooled
            features, `"cutmix"` is `"mixup"`.
        mix_alpha: Parameter of the Beta distribution of the shares.
        sampling: `"class"` to draw as many photos of each class in an epoch, `"group"` of each
            group, those of the small ones again and again; `None` for each photo once.
        batch_size: Photos per training step.
        dropout: Fraction of pooled features that a training step leaves out.
        unit: Unit of the numbers that the head `"regression"` answers with, e.g. `"mm"`, for
            reports and files.
        loss: A name of `kerasrecipes.list_losses()`; `None` for the head's own. In Python also
            one of your own: a function of targets and raw scores that gives one number for each
            row, a Keras loss, or what makes one. Its gradient is checked before training.
        loss_options: Further arguments of the loss, e.g. `{"gamma": 2.0}`.
        label_smoothing: How much of each target is spread over the other classes; `None` for
            0.1 if the loss can use it.
        optimizer: What updates the weights: a name of
            `kerasrecipes.optimizers.list_optimizers()`, or, in Python, a class of Keras
            optimizers, or a function that takes its keyword arguments and makes one. The
            usual schedule has the rates that are usual for it.
        optimizer_options: Further arguments of it, e.g. `{"momentum": 0.95}`.
        curve: How the learning rates fall after their warm-up, in each stage anew: `"cosine"`,
            `"linear"`, `"step"` (`drops` times by `factor`), `"one_cycle"` (which rises along a
            cosine, too), `"warmup_stable_decay"` (in the last `decay_fraction`),
            `"inverse_sqrt"`, `"constant"`, or `"plateau"` (by `factor`, when what is monitored
            has not improved for `patience` epochs); `None` for what suits the optimizer.
        curve_options: Numbers of the curve, e.g. `{"decay_fraction": 0.3}`.
        weight_decay: Decoupled weight decay; biases and norms are spared.
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
        patience: Epochs without improvement of what is monitored before a stage ends;
            `None` for `max(10, 20 % of the epochs)`.
        monitor: What the best epoch of a stage is told by: `"val_loss"`, or what is reached at an
            operating point, e.g. `"val_recall_at_false_alarms_0.02"`,
            `"val_false_alarms_at_recall_0.95"`, `"val_recall"` or `"val_precision"`: the mean
            over the classes; or of one class, e.g. `"val_recall_of_crack"`, or several,
            `"val_recall_of_crack+dent_at_false_alarms_0.02"`. On few photos it jumps: the loss
            is steadier.
        metrics: What else is measured in each epoch: names of
            `kerasrecipes.metrics.list_metrics()`, names as those of `monitor` without `val_`,
            tables such as `{"kind": "F1Score", "average": "macro"}` of classes of
            `keras.metrics`; in Python also metrics, and functions of targets and scores. What
            has a value for each class is told for each, e.g. `"val_f1_of_crack"`.
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

    mix: str | None = None
    mix_alpha: float = 0.2
    sampling: str | None = None
    batch_size: int = 32
    dropout: float = 0.2
    unit: str = ""
    loss: Any = None
    loss_options: dict | None = None
    label_smoothing: float | None = None
    optimizer: Any = "adamw"
    optimizer_options: dict | None = None
    curve: str | None = None
    curve_options: dict | None = None
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
    monitor: str = "val_loss"
    metrics: list | None = None
    cache_gb: float = 4.0
    precision: str = "auto"
    rematerialise: bool = False
    devices: str | int | list[str] | None = None
    seed: int = 0
    deterministic: bool = False

    def __init_subclass__(cls) -> None:
        cls.__doc__ = with_arguments_of(cls.__doc__, cls.__mro__[1].__doc__)
