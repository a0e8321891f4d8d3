//! What touches the world, one module each.

pub mod clock;
pub mod gateway;
pub mod sqlite;
