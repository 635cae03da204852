"""Paired ratios and their 95 % intervals (Student's t on logarithms)."""

import math
import statistics

# Two-sided 95 % of Student's t, by degrees of freedom; beyond the table the last one, which is
# slightly too wide.
T95 = [0, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13,
       2.12, 2.11, 2.10, 2.09, 2.09]


def mean_interval(values):
    """Mean and its interval; the interval is infinite for a single value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, -math.inf, math.inf
    t = T95[min(len(values) - 1, len(T95) - 1)]
    half = t * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def ratio_interval(ours, theirs):
    """Geometric mean of ours/theirs, pair by pair, and its interval."""
    mean, low, high = mean_interval([math.log(a / b) for a, b in zip(ours, theirs)])
    return math.exp(mean), math.exp(low) if low > -700 else 0.0, math.exp(high) if high < 700 else math.inf


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]
