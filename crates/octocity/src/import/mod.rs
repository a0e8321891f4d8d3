//! # Imports: recorded data through the same commands as live traffic
//!
//! - **source key**: what makes a recorded fact one and the same, wherever it is told again; command ids derive from it.
//! - **report**: every row that was not clean, with the kind of its dirt and why.
//! - **period**: a stretch of a gate log without a hole; a **hole** is more than 24 hours without news.
//! - **opening**: the count that an imported record starts from, as CorrectOccupancy.
//!
//! Invariants: every row ends as news, as known, or in the report; importing anything again adds no event; nothing
//! personal stands in a report; memory does not grow with the file, but for a few numbers per row still to be sent.

mod aps;
mod counts;
mod lines;
mod local_time;
mod report;
