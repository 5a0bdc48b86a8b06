"""Benchmarks: each compares programs that it measures in turns, in one run."""
