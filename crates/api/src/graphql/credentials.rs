//! What a vehicle or driver shows, as clients send it and read it.

use std::fmt;

use async_graphql::{Enum, Error, ID, InputObject, Result, SimpleObject};
use octocity_domain::parking::{
    CANDIDATES_MAX, CREDENTIAL_MAX_CHARS, CREDENTIALS_MAX, Credential, MatchKey, PlateRead,
};

use super::inputs::{at_most, each};
use super::scalars::{MAX_TEXT, id, text, uuid_id};
use crate::faults::bad_input;
use crate::plates;

/// What identifies a vehicle or its driver. Exactly one field is given.
#[derive(Clone, InputObject)]
pub struct CredentialInput {
    /// A plate as a camera or a person read it.
    pub plate: Option<PlateInput>,
    /// The number of a ticket: at most 64 characters. Draw no random numbers of 12 to 19 digits, or put a letter into
    /// their middle: of those of 16 digits, 2.9 % look like a payment card's and are refused (left out of a passage).
    pub ticket: Option<String>,
    /// The number of an access card: at most 64 characters. Never a payment card's; such a number is refused.
    pub card: Option<String>,
    /// The token in a QR code: at most 256 characters.
    pub qr: Option<String>,
    /// A reservation of this facility.
    pub reservation_id: Option<ID>,
}

/// A plate read.
#[derive(Clone, InputObject)]
pub struct PlateInput {
    /// As read: at most 32 characters of any script, of which at least one is a letter or digit.
    pub text: String,
    /// The plate's country or state, such as DE or US-TX: at most 16 characters.
    pub region: Option<String>,
    /// How sure the reader is: 0 to 1000.
    pub confidence_permille: Option<u16>,
    /// Other readings: at most 10.
    pub candidates: Option<Vec<String>>,
    /// Where the image is kept: a reference of yours, at most 500 characters.
    pub image: Option<String>,
}

pub fn credentials(name: &str, list: Option<Vec<CredentialInput>>) -> Result<Vec<Credential>> {
    each(at_most(name, list.unwrap_or_default(), CREDENTIALS_MAX)?, credential)
}

/// What a passage showed, and whether more was shown that cannot be kept. It happened, and no strange credential undoes
/// it: a code that is too long, a plate without letters, a payment card's number.
pub fn credentials_seen(list: Option<Vec<CredentialInput>>) -> Result<(Vec<Credential>, bool)> {
    let shown = list.unwrap_or_default();
    if !shown.iter().all(CredentialInput::is_one) {
        return Err(not_one());
    }
    let count = shown.len();
    let seen: Vec<_> = shown.into_iter().filter_map(|input| credential(input).ok()).collect();
    let unreadable = seen.len() < count;
    Ok((seen, unreadable))
}

impl CredentialInput {
    fn is_one(&self) -> bool {
        let Self { plate, ticket, card, qr, reservation_id } = self;
        let given =
            [plate.is_some(), ticket.is_some(), card.is_some(), qr.is_some(), reservation_id.is_some()];
        given.into_iter().filter(|given| *given).count() == 1
    }
}

pub fn credential(input: CredentialInput) -> Result<Credential> {
    let CredentialInput { plate, ticket, card, qr, reservation_id } = input;
    match (plate, ticket, card, qr, reservation_id) {
        (Some(plate), None, None, None, None) => plate_read(plate).map(Credential::Plate),
        (None, Some(ticket), None, None, None) => {
            Ok(Credential::Ticket { number: number("ticket", ticket, 64)? })
        }
        (None, None, Some(card), None, None) => Ok(Credential::Card { number: number("card", card, 64)? }),
        (None, None, None, Some(qr), None) => {
            Ok(Credential::Qr { token: number("qr", qr, CREDENTIAL_MAX_CHARS)? })
        }
        (None, None, None, None, Some(id)) => {
            Ok(Credential::Reservation { reservation: uuid_id("reservationId", &id)? })
        }
        _ => Err(not_one()),
    }
}

fn not_one() -> Error {
    bad_input("A credential is exactly one of plate, ticket, card, qr and reservationId.")
}

fn plate_read(input: PlateInput) -> Result<PlateRead> {
    let candidates = at_most("candidates", input.candidates.unwrap_or_default(), CANDIDATES_MAX)?;
    if input.confidence_permille.is_some_and(|confidence| confidence > 1000) {
        return Err(bad_input("'confidencePermille' is 0 to 1000."));
    }
    Ok(PlateRead {
        match_key: plate_key(&input.text)?,
        raw: text("plate.text", input.text, plates::MAX_CHARS)?,
        normaliser: plates::NORMALISER,
        region: input.region.map(|region| text("region", region, 16)).transpose()?,
        confidence_permille: input.confidence_permille,
        candidates: each(candidates, |candidate| text("candidates", candidate, plates::MAX_CHARS))?,
        image: input.image.map(|image| text("image", image, MAX_TEXT)).transpose()?,
    })
}

/// The key that a plate is looked up by.
pub fn plate_key(raw: &str) -> Result<MatchKey> {
    plates::match_key(raw).map(MatchKey).ok_or_else(|| {
        bad_input(
            "A plate has at most 32 characters (a sign for a word counts as the word), of which at least one is a \
             letter or digit of any script.",
        )
    })
}

/// A number or token without the blanks round it.
pub fn number(name: &str, given: String, max_chars: usize) -> Result<String> {
    let given = text(name, given.trim().to_owned(), max_chars)?;
    if given.is_empty() {
        return Err(bad_input(format!("'{name}' is empty; leave it out or give it.")));
    }
    Ok(given)
}

/// The kinds of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CredentialKind {
    /// A plate as it was read.
    Plate,
    /// A ticket's number.
    Ticket,
    /// An access card's number.
    Card,
    /// The token of a QR code.
    Qr,
    /// A reservation's id.
    Reservation,
}

/// What identified a vehicle or its driver: personal data.
#[derive(Clone, SimpleObject)]
pub struct CredentialObject {
    /// Which kind it is.
    pub kind: CredentialKind,
    /// The plate as read, the number, the token or the reservation's id.
    pub value: String,
    /// A plate's country or state, where it was read.
    pub region: Option<String>,
    /// How sure the reader of a plate was: 0 to 1000.
    pub confidence_permille: Option<u16>,
    /// Where the image of a plate is kept.
    pub image: Option<String>,
}

/// What is personal stays out of logs.
impl fmt::Debug for CredentialObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(hidden)", self.kind)
    }
}

impl From<&Credential> for CredentialObject {
    fn from(credential: &Credential) -> Self {
        let plain = |kind, value: &str| Self {
            kind,
            value: value.to_owned(),
            region: None,
            confidence_permille: None,
            image: None,
        };
        match credential {
            Credential::Plate(read) => Self {
                region: read.region.clone(),
                confidence_permille: read.confidence_permille,
                image: read.image.clone(),
                ..plain(CredentialKind::Plate, &read.raw)
            },
            Credential::Ticket { number } => plain(CredentialKind::Ticket, number),
            Credential::Card { number } => plain(CredentialKind::Card, number),
            Credential::Qr { token } => plain(CredentialKind::Qr, token),
            Credential::Reservation { reservation } => {
                plain(CredentialKind::Reservation, id(reservation).as_str())
            }
        }
    }
}

pub fn shown(credentials: &[Credential]) -> Vec<CredentialObject> {
    credentials.iter().map(CredentialObject::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> CredentialInput {
        CredentialInput { plate: None, ticket: None, card: None, qr: None, reservation_id: None }
    }

    fn plate(text: &str, image: Option<&str>) -> CredentialInput {
        let image = image.map(str::to_owned);
        let read = PlateInput {
            text: text.to_owned(),
            region: None,
            confidence_permille: None,
            candidates: None,
            image,
        };
        CredentialInput { plate: Some(read), ..none() }
    }

    fn showing(number: &str) -> [CredentialInput; 5] {
        let number = || Some(number.to_owned());
        [
            CredentialInput { ticket: number(), ..none() },
            CredentialInput { card: number(), ..none() },
            CredentialInput { qr: number(), ..none() },
            plate(&number().unwrap(), None),
            plate("B-XY 1234", number().as_deref()),
        ]
    }

    #[test]
    fn payment_cards_are_refused_and_other_numbers_are_not() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5500-0055-5555-5559",
            "４１１１１１１１１１１１１１１１",
        ] {
            for input in showing(card) {
                let refused = format!("{:?}", credential(input).unwrap_err());
                assert!(refused.contains("PAYMENT_CARD_NUMBER") && !refused.contains("1111"), "{refused}");
            }
        }
        for number in ["4111111111111112", "123456789012", "9999999999999995"] {
            for input in showing(number) {
                assert!(credential(input).is_ok(), "{number}");
            }
        }
    }

    #[test]
    fn a_passage_is_recorded_without_what_cannot_be_kept() {
        let strange = [
            CredentialInput { qr: Some("x".repeat(257)), ..none() },
            CredentialInput { reservation_id: Some(ID("no-id".to_owned())), ..none() },
            plate("ﷺﷺ", None),
            plate(" - ", None),
        ];
        for input in showing("4111 1111 1111 1111").into_iter().chain(strange) {
            assert!(credential(input.clone()).is_err(), "a request is refused");
            let (seen, unreadable) = credentials_seen(Some(vec![input, plate("B-XY 1234", None)])).unwrap();
            assert!(matches!(&seen[..], [Credential::Plate(read)] if read.raw == "B-XY 1234"), "{seen:?}");
            assert!(unreadable);
        }
        assert_eq!(credentials_seen(None).unwrap(), (Vec::new(), false));
        assert!(credentials_seen(Some(vec![none()])).is_err(), "malformed");
    }

    #[test]
    fn a_credential_is_shown_to_clients_and_not_to_logs() {
        let shown = shown(&[Credential::Ticket { number: "T-1234".to_owned() }]);
        assert_eq!((shown[0].value.as_str(), format!("{shown:?}").as_str()), ("T-1234", "[Ticket(hidden)]"));
    }

    #[test]
    fn a_credential_is_exactly_one() {
        let none = none();
        assert!(credential(none.clone()).is_err());
        let two = CredentialInput { ticket: Some("1".into()), qr: Some("2".into()), ..none.clone() };
        assert!(credential(two).is_err());
        let blank = CredentialInput { ticket: Some("  ".into()), ..none.clone() };
        assert!(credential(blank).is_err());
        let ticket = CredentialInput { ticket: Some(" 7 ".into()), ..none };
        assert_eq!(credential(ticket).unwrap(), Credential::Ticket { number: "7".into() });
    }
}
