//! # Imports: recorded data through the same commands as live traffic
//!
//! - **source key**: what makes a recorded fact one and the same, wherever it is told again; command ids derive from it.
//! - **report**: every row that was not clean, with the kind of its dirt and why.
//! - **period**: a stretch of a gate log without a hole; a **hole** is more than 24 hours without news.
//! - **opening**: the count that a record starts from, as CorrectOccupancy.
//! - **step**: a clean count and the one before it; as many passages as they differ.
//!
//! Invariants: every row ends as news, as known, or in the report; importing anything again adds no event; nothing
//! personal stands in a report; memory does not grow with the file, but for a few numbers per row.

mod aps;
mod car_park;
pub mod command;
mod counts;
mod feed;
mod gates;
mod lines;
mod local_time;
mod occupancy;
mod periods;
mod report;
mod sorter;
mod summary;
mod to_review;

#[cfg(test)]
mod tests;
