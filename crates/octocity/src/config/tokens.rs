//! Who may send commands: a name, and the hash of a secret that is never written down here.

use crate::failure::Failure;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Becomes the actor of its commands.
    pub name: String,
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
}

impl Token {
    /// `hex`: 64 hexadecimal digits. The message names the token, never what stands beside it.
    pub fn try_new(name: &str, hex: &str) -> Result<Self, Failure> {
        let named = (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic());
        if !named {
            return Err(Failure::usage("A token's name has 1 to 64 visible ASCII characters; correct it."));
        }
        let invalid = || {
            Failure::usage(format!(
                "The token '{name}' is no SHA-256; give its 64 hex digits: printf %s \"$TOKEN\" | sha256sum."
            ))
        };
        let hex = hex.trim();
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(invalid());
        }
        let mut sha256 = [0_u8; 32];
        for (index, byte) in sha256.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).map_err(|_| invalid())?;
        }
        Ok(Self { name: name.to_owned(), sha256 })
    }
}
