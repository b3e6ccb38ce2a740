"""Samples as CloudWatch takes them from a log: the embedded metric format, one line for each set of dimensions."""

from collections.abc import Sequence
from itertools import groupby

from aws_lambda_powertools.metrics import EphemeralMetrics

from shared.status.metrics import Sample


def publish(samples: Sequence[Sample]) -> None:
    """Write `samples`. CloudWatch keeps them under the function's namespace, by `service` and `group`."""
    for group, its in groupby(sorted(samples, key=_group), key=_group):
        metrics = EphemeralMetrics()
        if group:
            metrics.add_dimension("group", group)
        for sample in its:
            name, unit = sample.metric.value
            metrics.add_metric(name, unit, sample.value)
        metrics.flush_metrics()


def _group(sample: Sample) -> str:
    return sample.group or ""
