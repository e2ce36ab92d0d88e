"""Tests of the resource engine."""
