//! Who sends a request. Bearer tokens stand in the configuration as a name and the SHA-256 of the token; the name
//! becomes the actor of every event that the request causes. Without any token the server is open.

use octocity_log::Actor;
use sha2::{Digest, Sha256};

/// One configured token; the token itself is stored nowhere.
#[derive(Clone, Debug)]
pub struct TokenEntry {
    /// A device, a user or a service; never personal data, for it stands in every event.
    pub name: String,
    pub sha256: [u8; 32],
}

/// The tokens that are let in; none: everybody is, as the actor `open`.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    tokens: Vec<(Actor, [u8; 32])>,
}

/// No token, or one that nobody configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated;

impl Unauthenticated {
    pub const SENTENCE: &'static str =
        "Send 'Authorization: Bearer <token>' with a token that the operator configured.";
}

impl Auth {
    pub fn new(entries: impl IntoIterator<Item = TokenEntry>) -> Self {
        Self { tokens: entries.into_iter().map(|entry| (Actor::new(&entry.name), entry.sha256)).collect() }
    }

    pub const fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    /// `authorization` as it stands in the header or in the payload of `connection_init`.
    pub fn actor(&self, authorization: Option<&str>) -> Result<Actor, Unauthenticated> {
        if self.is_open() {
            return Ok(Actor::new("open"));
        }
        let token = authorization.and_then(bearer).ok_or(Unauthenticated)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for (actor, known) in &self.tokens {
            if same(&digest, known) {
                found = Some(actor.clone());
            }
        }
        found.ok_or(Unauthenticated)
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// Compares without stopping at the first difference, so that time tells nothing.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth() -> Auth {
        let entry = |name: &str, token: &str| TokenEntry {
            name: name.to_owned(),
            sha256: Sha256::digest(token.as_bytes()).into(),
        };
        Auth::new([entry("gate-1", "first"), entry("office", "second")])
    }

    #[test]
    fn a_token_names_its_actor() {
        assert_eq!(auth().actor(Some("Bearer second")), Ok(Actor::new("office")));
        assert_eq!(auth().actor(Some("bearer  first ")), Ok(Actor::new("gate-1")));
    }

    #[test]
    fn anything_else_is_kept_out() {
        for given in
            [None, Some(""), Some("Bearer"), Some("Bearer third"), Some("Basic first"), Some("first")]
        {
            assert_eq!(auth().actor(given), Err(Unauthenticated), "{given:?}");
        }
    }

    #[test]
    fn without_tokens_everybody_is_open() {
        assert_eq!(Auth::default().actor(None), Ok(Actor::new("open")));
    }
}
