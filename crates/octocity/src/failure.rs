//! Why a command of the CLI did not succeed, and the exit code that scripts see.

use std::fmt;

use serde_json::{Map, Value};

/// The kind decides the exit code; the text is one clear sentence that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A fault of ours or of the machine.
    Fault,
    /// Usage or configuration.
    Usage,
    /// The data folder: newer, in use, damaged.
    Data,
    /// The input file: missing, unreadable, cut off.
    Input,
    /// Doctor found problems; or keys of read models stand still.
    Found,
}

impl Kind {
    /// Documented in `octocity --help`: stable.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Fault => 1,
            Self::Usage => 2,
            Self::Data => 3,
            Self::Input => 4,
            Self::Found => 5,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    /// The service that does not answer, where that is all there is to it: a server that starts waits for it.
    pub service: Option<&'static str>,
    /// What `--json` says besides.
    pub more: Map<String, Value>,
}

impl Failure {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), service: None, more: Map::new() }
    }
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }
    #[cfg(any(test, feature = "distributed"))]
    #[must_use]
    pub fn of_service(self, service: &'static str) -> Self {
        Self { service: Some(service), ..self }
    }
    /// Of the moment, or of ours: nothing that a person must change first.
    pub fn is_fault(&self) -> bool {
        self.kind == Kind::Fault
    }
    pub fn fault(message: impl Into<String>) -> Self {
        Self::new(Kind::Fault, message)
    }
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }
    pub fn found(message: impl Into<String>) -> Self {
        Self::new(Kind::Found, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Failure {}
