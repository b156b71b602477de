"""A run report as one page that opens anywhere, offline, on screen and on paper."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from kerasrecipes.errors import printable
from kerasrecipes.evaluation.base import Result
from kerasrecipes.evaluation.result import Evaluation
from kerasrecipes.report.page import page_environment, page_frame
from kerasrecipes.report.run_report import (
    RunReport,
    StageReport,
    is_quality,
    optimization_sentence,
    stage_sentence,
)
from kerasrecipes.report.section import Section
from kerasrecipes.report.words import found_of, size
from kerasrecipes.statistics.estimate import Estimate
from kerasrecipes.statistics.shown import in_words_of

_LEAKS_SHOWN = 5
_CAPTIONS = {
    "confusion_matrix": "Rows are what the photos show, columns what the model says.",
    "reliability": "Points on the dashed line mean an honest model; bars are 95% intervals.",
    "mistakes": "The mistakes that the model was surest of: look here for wrong labels first.",
    "learning_curves": "Loss and accuracy by epoch; the circled epochs' weights were kept.",
}
# What other tasks than classification draw, and what they call alike but is not quite the same.
_OF_OTHER_TASKS = {
    "residuals": "Each point is a photo; on the dashed line answer and truth are the same.",
    "precision_recall": "What finding more of a label costs; the point is its threshold.",
    "worst_answers": "The answers that are furthest off: look here for wrong labels first.",
    "learning_curves": "Loss, and a number to read, by epoch; the circled epochs' weights were "
    "kept.",
}


def render_html(
    report: RunReport,
    plots: Mapping[str, bytes] | None = None,
    sections: Sequence[Section] = (),
) -> str:
    """Write a report as one self-contained HTML page.

    Args:
        report: The facts of a fit.
        plots: PNG files by name. Those of `draw_pictures` get their place and a caption; others
            follow.
        sections: What else to show, behind the pictures.

    Returns:
        The page. It loads nothing from elsewhere, and text from the data cannot become markup.

    Example:
        >>> page = render_html(RunReport(name="<b>tiles</b>", created="2026-01-01"))
        >>> "&lt;b&gt;tiles" in page, "http://" in page
        (True, False)
    """
    environment = page_environment()
    environment.filters["figure"] = _figure
    environment.tests["quality"] = is_quality
    split, evaluation = main_evaluation(report)
    return environment.get_template("report.html.j2").render(
        **page_frame(sections),
        report=report,
        split=split,
        evaluation=evaluation,
        by_class=isinstance(evaluation, Evaluation),
        headline=[] if evaluation is None else evaluation.tiles() + evaluation.latency_tiles(),
        sentences=_sentences(evaluation),
        plots=_plots(plots or {}, isinstance(evaluation, Evaluation), report.noun),
        stages=[(stage, stage_sentence(stage), _blocks(stage)) for stage in report.stages],
        optimization=[(step, optimization_sentence(step)) for step in report.optimization],
        leaks=report.data.leaks[:_LEAKS_SHOWN],
        more_leaks=max(0, len(report.data.leaks) - _LEAKS_SHOWN),
        counts=_counts(report),
        exports=[_export_row(record) for record in report.exports],
        settings=_settings(report),
    )


def _figure(value: object) -> str:
    """Write a number with thousands apart, and anything else as it is."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return f"{value:,.0f}" if isinstance(value, int | float) else printable(value)


def main_evaluation(report: RunReport) -> tuple[str, Result | None]:
    """Return the evaluation to lead with: of the test photos, else the last one made."""
    if not report.evaluations:
        return "", None
    split = "test" if "test" in report.evaluations else list(report.evaluations)[-1]
    return split, report.evaluations[split]


def _sentences(evaluation: Result | None) -> list[str]:
    if evaluation is None:
        return []
    if not isinstance(evaluation, Evaluation):
        lines = [*evaluation.summary(), *evaluation.remarks()]
        return [f"{line[:1].upper()}{line[1:]}." for line in lines]
    lines = [
        found_of(evaluation.found(c.name), c.support, printable(c.name), c.recall, evaluation.item)
        for c in evaluation.worst_first()[:3]
        if c.support
    ]
    error, null = evaluation.calibration_error, evaluation.calibration_null
    honest = error.value <= null.high
    lines.append(
        f"Its scores {'match' if honest else 'do not match'} how often it is right: "
        f"calibration error {error.value:.3f}, where a perfectly calibrated model would show "
        f"{null.low:.3f} to {null.high:.3f} on {evaluation.n:,} {evaluation.item}s."
    )
    return lines


def _plots(plots: Mapping[str, bytes], by_class: bool, noun: str) -> list[dict[str, str]]:
    captions = _CAPTIONS if by_class else _CAPTIONS | _OF_OTHER_TASKS
    names = [name for name in captions if name in plots]
    names += [name for name in plots if name not in captions]
    return [
        {
            "name": name,
            "title": printable(name).replace("_", " ").capitalize(),
            "caption": in_words_of((noun, f"{noun}s"), captions.get(name, "")),
            "source": "data:image/png;base64," + base64.b64encode(plots[name]).decode("ascii"),
        }
        for name in names
    ]


def _blocks(stage: StageReport) -> list[dict[str, Any]]:
    """Describe each block as a bar of the stage's strip, wider with more parameters."""
    return [
        {
            "block": row.block,
            "trained": row.trained,
            # Square roots keep a stem of 900 parameters visible beside a block of a million.
            "width": f"{max(math.sqrt(row.parameters), 1):.0f}",
            "title": f"{row.block}: {row.parameters:,} parameters in {row.layers} layers, "
            f"{'trained' if row.trained else 'frozen'}"
            + (f", {row.batch_norm}" if row.batch_norm else ""),
        }
        for row in stage.freeze_table
    ]


def _counts(report: RunReport) -> dict[str, Any]:
    splits = list(report.data.counts)
    names = dict.fromkeys(name for split in splits for name in report.data.counts[split])
    rows = [(name, [report.data.counts[s].get(name, 0) for s in splits]) for name in names]
    return {"splits": splits, "rows": rows, "totals": [report.data.total(s) for s in splits]}


def _export_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """Read one export's record; its `verification` is `Verification.to_dict()`."""
    found = record.get("verification") or {}
    accuracy = Estimate.from_list([found.get("accuracy")])
    difference = [found.get("accuracy_difference"), *(found.get("difference_interval") or ())]
    return {
        "name": f"{record.get('format', '?')} {record.get('quantization', '')}".strip(),
        "size": size(record.get("size_bytes", found.get("size_bytes"))),
        "agreement": Estimate.from_list([found.get("agreement")]).percent(1),
        "photos": found.get("photos"),
        "accuracy": accuracy.percent(1),
        "difference": _points(Estimate.from_list(difference)),
        "latency": _latencies(found.get("latency") or {}),
        "passed": found.get("passed"),
        "failures": found.get("failures") or [],
    }


def _points(difference: Estimate) -> str:
    """Write a difference of two shares in percentage points."""
    if math.isnan(difference.value):
        return "–"
    value, low, high = (f"{100 * end:+.1f}" for end in
                        (difference.value, difference.low, difference.high))  # fmt: skip
    interval = "" if math.isnan(difference.low) else f" ({low} to {high})"
    return f"{value}{interval} points".replace("-", "−").replace("+0.0 ", "0.0 ")


def _latencies(latency: Mapping[str, Mapping[str, float]]) -> str:
    if not latency:
        return "–"
    times = " / ".join(f"{found['median_ms']:.1f}" for found in latency.values())
    threads = " / ".join(map(str, latency))
    return f"{times} ms ({threads} thread{'' if threads == '1' else 's'})"


def _settings(report: RunReport) -> list[tuple[str, list[tuple[str, str]]]]:
    groups = {
        "Recipe": report.recipe,
        **{f"Measured besides on {split}": own for split, own in report.metrics.items()},
        "Seeds": report.seeds,
        "Pretrained weights": report.weights,
        "Versions": report.versions,
        "Data digests": report.data.digests,
        **{f"Callback {name}": found for name, found in report.callbacks.items()},
    }
    return [
        (title, [(str(key), _setting(value)) for key, value in found.items()])
        for title, found in groups.items()
        if found
    ]


def _setting(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
