"""Seeded measurements of Farebox against named baselines; README.md says what each number means."""
