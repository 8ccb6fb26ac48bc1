//! Tests of the metrics against hand-made timelines and slow oracles.
