"""Prefixes: networks that begin with the same tensors answer alike up to there, which need not be computed twice."""

from autoprune.evaluation.prefixes.course import KEPT_BYTES, Course, Prefixes, Run

__all__ = ["KEPT_BYTES", "Course", "Prefixes", "Run"]
