//! The system as its users meet it: a real server, and the whole under a seed.

pub mod server;
