//! Tests of the metrics against hand-made timelines, numpy and slow oracles.

mod audit;
mod cut;
mod definitions;
mod distribution;
mod judge;
mod make;
mod peak;
mod prefix_cache;
mod stats;
mod steady;
mod summary;
mod whole;
