//! What a vehicle or driver shows: a plate read, a ticket, a card, a QR code, a reservation.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::command::ParkingRefusal;
use crate::ids::ReservationId;

/// The most credentials that one vehicle shows.
pub const CREDENTIALS_MAX: usize = 10;
/// The most characters that a number, a token or a match key has.
pub const CREDENTIAL_MAX_CHARS: usize = 256;
/// The most other readings that stand beside one plate.
pub const CANDIDATES_MAX: usize = 10;
const TEXT_MAX_CHARS: usize = 500;

/// What the domain compares: opaque, made outside by a normaliser. Two reads of one plate have one match key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct MatchKey(pub String);

/// Personal data: stands only in the events that introduce a credential (`EntryGranted`, `VehicleEntered`,
/// `VehicleLeft` where nothing matched, `VisitDeclared`, `CredentialsChanged`, `PassageRefused`). All other
/// events say visit id, so that a person can be erased later without touching history.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Credential {
    Plate(PlateRead),
    Ticket { number: String },
    Card { number: String },
    Qr { token: String },
    Reservation { reservation: ReservationId },
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Sizes and characters only: what a plate or ticket must look like is its normaliser's to say.
    fn check(&self) -> Result<(), ParkingRefusal> {
        let invalid = |sentence| Err(ParkingRefusal::CredentialInvalid { sentence });
        let MatchKey(key) = self.match_key();
        let value = key.split_once(':').map_or("", |(_, value)| value);
        if value.is_empty() || exceeds(value, CREDENTIAL_MAX_CHARS) || value.chars().any(char::is_control) {
            return invalid(format!(
                "A credential has 1 to {CREDENTIAL_MAX_CHARS} characters, none of them control characters; correct it."
            ));
        }
        let Self::Plate(PlateRead { raw, region, candidates, image, .. }) = self else { return Ok(()) };
        let mut texts = [raw].into_iter().chain(region).chain(candidates).chain(image);
        if candidates.len() > CANDIDATES_MAX || texts.any(|text| exceeds(text, TEXT_MAX_CHARS)) {
            return invalid(format!(
                "A plate read has at most {CANDIDATES_MAX} candidates and texts of at most {TEXT_MAX_CHARS} \
                 characters; shorten it."
            ));
        }
        Ok(())
    }
}

fn exceeds(text: &str, max_chars: usize) -> bool {
    text.chars().count() > max_chars
}

/// For a request: all that is shown must be usable.
pub(crate) fn check_credentials(credentials: &[Credential]) -> Result<(), ParkingRefusal> {
    if credentials.len() > CREDENTIALS_MAX {
        let sentence =
            format!("A vehicle shows at most {CREDENTIALS_MAX} credentials; send the ones that were read.");
        return Err(ParkingRefusal::CredentialInvalid { sentence });
    }
    credentials.iter().try_for_each(Credential::check)
}

/// For a fact, which no strange credential undoes: those of what was seen that can be used.
pub(super) fn usable(seen: &[Credential]) -> Cow<'_, [Credential]> {
    match check_credentials(seen) {
        Ok(()) => Cow::Borrowed(seen),
        Err(_) => seen.iter().filter(|shown| shown.check().is_ok()).take(CREDENTIALS_MAX).cloned().collect(),
    }
}

/// In a command as the sender said it: what a normaliser made of a plate is left blank, for a newer one may make
/// something else of it when the same command comes again.
pub(crate) fn as_sent<C, S: Serializer>(credentials: &C, serializer: S) -> Result<S::Ok, S::Error>
where
    for<'a> &'a C: IntoIterator<Item = &'a Credential>,
{
    serializer.collect_seq(credentials.into_iter().map(|shown| match shown {
        Credential::Plate(read) => Cow::Owned(Credential::Plate(PlateRead {
            match_key: MatchKey(String::new()),
            normaliser: 0,
            ..read.clone()
        })),
        other => Cow::Borrowed(other),
    }))
}

// What is personal stays out of logs: `Debug` shows the kind only.

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchKey(hidden)")
    }
}
impl fmt::Debug for PlateRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlateRead(hidden)")
    }
}
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plate(_) => f.write_str("Plate(hidden)"),
            Self::Ticket { .. } => f.write_str("Ticket(hidden)"),
            Self::Card { .. } => f.write_str("Card(hidden)"),
            Self::Qr { .. } => f.write_str("Qr(hidden)"),
            // An id, as every event about the reservation says it.
            Self::Reservation { reservation } => write!(f, "Reservation({reservation})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ParkingCommand;
    use super::*;
    use crate::ids::LaneId;

    #[test]
    fn a_command_is_printed_without_its_credentials() {
        let plate = PlateRead {
            raw: "B-XY 1234".to_owned(),
            match_key: MatchKey("BXY1234".to_owned()),
            normaliser: 1,
            region: Some("DE".to_owned()),
            confidence_permille: None,
            candidates: vec!["B-XV 1234".to_owned()],
            image: Some("photo-1234".to_owned()),
        };
        let ticket = Credential::Ticket { number: "T-1234".to_owned() };
        let card = Credential::Card { number: "C-1234".to_owned() };
        let qr = Credential::Qr { token: "Q-1234".to_owned() };
        let keys = format!("{:?} {plate:?}", ticket.match_key());
        let credentials = vec![Credential::Plate(plate), ticket, card, qr];
        let lane = LaneId::try_new("in").unwrap();
        let command = ParkingCommand::EnterGate { lane, credentials, pool: None, requested_at: None };
        let printed = format!("{command:?} {command:#?} {keys}");
        assert!(!printed.contains("1234") && !printed.contains("DE"), "{printed}");
        for kind in ["Plate(hidden)", "Ticket(hidden)", "Card(hidden)", "Qr(hidden)", "MatchKey(hidden)"] {
            assert!(printed.contains(kind), "{printed}");
        }
    }
}
