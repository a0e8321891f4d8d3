//! Where an event stands in the whole log.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Which log. Minted once, when a log is created; a migration keeps it and raises the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogId(pub Uuid);

impl LogId {
    /// The last 32 bits, which are random. The first tell when the log was made: those of one minute share them.
    const fn mark(self) -> u32 {
        self.0.as_u128() as u32
    }
}

/// A place in the global order of one epoch. Larger is later; nothing else may be read from it: values may
/// leave gaps, and only the adapter that made one knows what it counts. 0 is before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A position as clients carry it: opaque, comparable only within its log and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub log: LogId,
    pub epoch: u32,
    pub position: Position,
}

/// A text that is no token of any log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken;

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no position of this system; send back one exactly as it was given")
    }
}
impl std::error::Error for InvalidToken {}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log.mark();
        write!(f, "{log:08x}-{:x}-{:x}", self.epoch, self.position.0)
    }
}

/// A parsed token: its log is known by its mark only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedToken {
    log_mark: u32,
    pub epoch: u32,
    pub position: Position,
}

impl ParsedToken {
    pub fn is_of(&self, log: LogId) -> bool {
        log.mark() == self.log_mark
    }
}

impl FromStr for ParsedToken {
    type Err = InvalidToken;
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut parts = text.split('-');
        let mut next =
            || parts.next().filter(|part| !part.is_empty() && part.len() <= 16).ok_or(InvalidToken);
        let (log, epoch, value) = (next()?, next()?, next()?);
        if parts.next().is_some() || log.len() != 8 {
            return Err(InvalidToken);
        }
        Ok(Self {
            log_mark: u32::from_str_radix(log, 16).map_err(|_| InvalidToken)?,
            epoch: u32::from_str_radix(epoch, 16).map_err(|_| InvalidToken)?,
            position: Position(u64::from_str_radix(value, 16).map_err(|_| InvalidToken)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_its_own_log_also_where_another_was_made_in_the_same_minute() {
        let made = 0x0198_7a6b_5c4d_7000_8000_0000_0000_0000;
        let [log, other] = [made + 1, made + 2].map(|id| LogId(Uuid::from_u128(id)));
        let token = Token { log, epoch: 2, position: Position(77) };
        let parsed: ParsedToken = token.to_string().parse().unwrap();
        assert_eq!((parsed.epoch, parsed.position), (2, Position(77)));
        assert!(parsed.is_of(log) && !parsed.is_of(other));
    }
}
