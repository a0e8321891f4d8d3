//! What a vehicle or driver shows: a plate read, a ticket, a card, a QR code, a reservation.

use serde::{Deserialize, Serialize};

use crate::ids::ReservationId;

/// What the domain compares: opaque, made outside by a normaliser. Two reads of one plate have one match key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct MatchKey(pub String);

/// Personal data: stands only in the events that introduce a credential (`EntryGranted`, `VehicleEntered`,
/// `VehicleLeft` where nothing matched, `VisitDeclared`, `CredentialsChanged`, `PassageRefused`). All other
/// events say visit id, so that a person can be erased later without touching history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Credential {
    Plate(PlateRead),
    Ticket { number: String },
    Card { number: String },
    Qr { token: String },
    Reservation { reservation: ReservationId },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlateRead {
    /// As the camera read it.
    pub raw: String,
    pub match_key: MatchKey,
    /// Which normaliser made the match key.
    pub normaliser: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// 0 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_permille: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Credential {
    /// The key under which the domain looks for the visit; its prefix keeps a ticket "12" and a card "12" apart.
    pub fn match_key(&self) -> MatchKey {
        match self {
            Self::Plate(read) => MatchKey(format!("plate:{}", read.match_key.0)),
            Self::Ticket { number } => MatchKey(format!("ticket:{number}")),
            Self::Card { number } => MatchKey(format!("card:{number}")),
            Self::Qr { token } => MatchKey(format!("qr:{token}")),
            Self::Reservation { reservation } => MatchKey(format!("reservation:{reservation}")),
        }
    }
    pub const fn reservation(&self) -> Option<ReservationId> {
        match self {
            Self::Reservation { reservation } => Some(*reservation),
            _ => None,
        }
    }
}
