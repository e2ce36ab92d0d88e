"""The proof: tests, the oracle, strategies and the crash harness."""
