//! Identifiers. Every id is a type of its own, so that a visit is never handed where a payment is meant.
//!
//! Two kinds: ids of things with a life of their own are UUIDs; names inside one facility (a lane, a pool)
//! are short codes that its operator chose, unique within that facility only.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

uuid_id! {
    /// One car park with its lanes, under one operator. Also the key that orders and partitions the log.
    FacilityId,
    /// One stay of one vehicle, minted at its grant or its first fact; also the id of its session.
    VisitId,
    /// One opening of one lane for one vehicle.
    GrantId,
    /// One promise of a place over an interval.
    ReservationId,
    /// One payment's life with its gateway.
    PaymentId,
    /// What makes a command one and the same: see [`CommandId::minted_at`].
    CommandId,
}

/// What went wrong with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCode;

impl fmt::Display for InvalidCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a code has 1 to 32 characters out of a-z, A-Z, 0-9, '-', '_' and '.'")
    }
}
impl std::error::Error for InvalidCode {}

/// A short name chosen by an operator, unique within its facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Code(ArrayString<32>);

impl Code {
    pub fn try_new(text: &str) -> Result<Self, InvalidCode> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || !text.chars().all(allowed) {
            return Err(InvalidCode);
        }
        ArrayString::from(text).map(Self).map_err(|_| InvalidCode)
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(source)?;
        Self::try_new(&text).map_err(serde::de::Error::custom)
    }
}

macro_rules! code_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub Code);

        impl $name {
            pub fn try_new(text: &str) -> Result<Self, InvalidCode> {
                Code::try_new(text).map(Self)
            }
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }
        impl FromStr for $name {
            type Err = InvalidCode;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_new(text)
            }
        }
    )+};
}

code_id! {
    /// Who runs the facility.
    OperatorId,
    /// A part of a facility that lanes lead into and out of; `outside` is none.
    AreaId,
    /// A storey.
    LevelId,
    /// A quota of places that admission counts.
    PoolId,
    /// One marked place, where a facility lists them.
    SpotId,
    /// What a spot is for: standard, accessible, ev, motorcycle, ...
    SpotKind,
    /// A way between two areas that one vehicle passes at a time.
    LaneId,
}

/// How far a derived id's hash reaches: the version and variant bits of RFC 9562 stay as they must be.
const UUID_V8: u8 = 0x80;

/// Makes an id from the text of what it is derived from, led by a time, so that ids of one stream rise with
/// it (RFC 9562, section 5.8: version 8, laid out like version 7 with a hash in place of chance).
pub fn derived_uuid(at: Timestamp, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[..6].copy_from_slice(&at.millis().max(0).to_be_bytes()[2..]);
    bytes[6] = (bytes[6] & 0x0f) | UUID_V8;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

impl CommandId {
    /// The id of a command that a device or an importer sends: the same source key gives the same id for ever.
    pub fn from_source(at: Timestamp, source: &str, key: &str) -> Self {
        Self(derived_uuid(at, &[b"source", source.as_bytes(), key.as_bytes()]))
    }

    /// The id of a command that a process sends because of one event: a replay sends the same one.
    /// `stream` and `revision` name the event, `effect` what is done, `target` to what.
    pub fn from_effect(
        at: Timestamp,
        process: &str,
        stream: &str,
        revision: u64,
        effect: &str,
        target: &str,
    ) -> Self {
        let cause = revision.to_be_bytes();
        Self(derived_uuid(
            at,
            &[b"effect", process.as_bytes(), stream.as_bytes(), &cause, effect.as_bytes(), target.as_bytes()],
        ))
    }

    /// When a client made this id (UUIDv7), or none for the derived ones, which never expire.
    pub fn minted_at(self) -> Option<Timestamp> {
        (self.0.get_version_num() == 7).then(|| {
            let mut millis = [0_u8; 8];
            millis[2..].copy_from_slice(&self.0.as_bytes()[..6]);
            Timestamp::from_millis(i64::from_be_bytes(millis))
        })
    }

    fn child(self, what: &[u8]) -> Uuid {
        let at = Timestamp::from_millis(self.time_prefix());
        derived_uuid(at, &[b"child", self.0.as_bytes(), what])
    }

    fn child_at(self, facility: FacilityId, what: &[u8]) -> Uuid {
        let at = Timestamp::from_millis(self.time_prefix());
        derived_uuid(at, &[b"child", self.0.as_bytes(), facility.0.as_bytes(), what])
    }

    fn time_prefix(self) -> i64 {
        let mut millis = [0_u8; 8];
        millis[2..].copy_from_slice(&self.0.as_bytes()[..6]);
        i64::from_be_bytes(millis)
    }

    /// The id of one of several commands that carry out this effect.
    pub fn step(self, what: &str) -> Self {
        Self(self.child(what.as_bytes()))
    }

    /// Ids of what this command brings into being: minted from it, so that a replay mints the same; and from the
    /// facility, so that an id sent to two facilities never makes one thing of two.
    pub fn visit(self, facility: FacilityId) -> VisitId {
        VisitId(self.child_at(facility, b"visit"))
    }
    pub fn grant(self, facility: FacilityId) -> GrantId {
        GrantId(self.child_at(facility, b"grant"))
    }
    pub fn reservation(self, facility: FacilityId) -> ReservationId {
        ReservationId(self.child_at(facility, b"reservation"))
    }
    pub fn payment(self) -> PaymentId {
        PaymentId(self.child(b"payment"))
    }
    pub fn facility(self) -> FacilityId {
        FacilityId(self.child(b"facility"))
    }
}
