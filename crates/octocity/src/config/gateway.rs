//! The key `gateway`.

use crate::failure::Failure;

/// What takes the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// Moves none: for demonstrations and tests.
    Simulated,
}

impl Gateway {
    pub fn parse(text: &str, of: &str) -> Result<Self, Failure> {
        match text {
            "simulated" => Ok(Self::Simulated),
            _ => Err(Failure::usage(format!(
                "{of} is '{text}'; it is 'simulated', which moves no money, or left out: then no payment begins."
            ))),
        }
    }

    /// In a sentence for the operator.
    pub const fn said(gateway: Option<Self>) -> &'static str {
        match gateway {
            Some(Self::Simulated) => "simulated: no money moves",
            None => "none by this configuration; gateway = \"simulated\" takes simulated ones",
        }
    }
}
