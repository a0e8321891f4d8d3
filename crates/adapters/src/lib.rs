//! What touches the world, one module each.

pub mod sqlite;
