//! The gateway's name for a means of payment.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::card_numbers::{holds_card_number, is_card_number};

/// Opaque, made by the gateway; never a card number. It is not shown in logs: its `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Token(String);

/// Why a text is no token. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    Invalid,
    CardNumber,
}

const TOKEN_MAX_CHARS: usize = 200;

impl Token {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// 1 to 200 visible ASCII characters, and nothing that looks like a card number: one that was pasted here by
    /// mistake would stand in the log for ever.
    pub fn check(&self) -> Result<(), TokenFault> {
        if is_card_number(&self.0) || holds_card_number(&self.0) {
            return Err(TokenFault::CardNumber);
        }
        let visible = self.0.chars().all(|character| character.is_ascii_graphic() || character == ' ');
        match visible && (1..=TOKEN_MAX_CHARS).contains(&self.0.trim().len()) {
            true => Ok(()),
            false => Err(TokenFault::Invalid),
        }
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}
impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_no_tokens() {
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "3782-822463-10005",
            "9999999999999995",
            "pan:4111111111111111",
        ] {
            assert_eq!(Token::from(number).check(), Err(TokenFault::CardNumber), "{number}");
        }
    }

    #[test]
    fn other_texts_are_tokens() {
        for token in ["tok_visa", "4111111111111112", "123456789012", "00000000000000000000", "a b"] {
            assert_eq!(Token::from(token).check(), Ok(()), "{token}");
        }
    }

    #[test]
    fn empty_long_and_invisible_texts_are_none() {
        for token in ["", "   ", "tok\n1", "tök", &"t".repeat(201)] {
            assert_eq!(Token::from(token).check(), Err(TokenFault::Invalid), "{token}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        assert_eq!(format!("{:?}", Token::from("tok_secret")), "Token(hidden)");
    }
}
