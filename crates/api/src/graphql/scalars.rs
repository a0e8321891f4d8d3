//! Times, ids and money as clients write them.

use std::str::FromStr;

use async_graphql::{
    ID, InputObject, InputValueError, InputValueResult, Result, Scalar, ScalarType, SimpleObject, Value,
};
use octocity_domain::card_numbers::holds_card_number;
use octocity_domain::{Code, Currency, Timestamp};
use uuid::Uuid;

use crate::faults::{self, bad_input, field_error};

/// An instant in RFC 3339 with its offset, such as `2026-03-29T01:30:00Z`, to the millisecond, of the years 1970 to
/// 2199.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Timestamp);

/// 2200-01-01T00:00:00Z.
const END: Timestamp = Timestamp::from_seconds(7_258_118_400);

/// An instant in RFC 3339 with its offset, such as `2026-03-29T01:30:00Z`, to the millisecond, of the years 1970 to
/// 2199.
#[Scalar(name = "DateTime", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let invalid = "the value is no RFC 3339 time of the years 1970 to 2199 with its offset, such as 2026-03-29T01:30:00Z";
        let at = Timestamp::from_str(text).ok().filter(|_| has_offset(text));
        let known = at.filter(|at| (Timestamp::from_millis(0)..END).contains(at));
        known.map(Self).ok_or_else(|| InputValueError::custom(invalid))
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// `Z`, or hours up to 23 with their minutes (RFC 3339, section 5.6). Whoever reads the rest also knows other offsets.
fn has_offset(text: &str) -> bool {
    let offset = text.len().checked_sub(6).and_then(|start| text.as_bytes().get(start..));
    text.ends_with(['Z', 'z'])
        || matches!(offset, Some([b'+' | b'-', b'0'..=b'1', b'0'..=b'9', b':', ..]))
        || matches!(offset, Some([b'+' | b'-', b'2', b'0'..=b'3', b':', ..]))
}

impl From<Timestamp> for DateTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// A UUID of RFC 9562 as text, such as `0198c5b2-7c1e-7d3a-9a4b-2f1f0a6f4f11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UuidText(pub Uuid);

/// A UUID of RFC 9562 as text, such as `0198c5b2-7c1e-7d3a-9a4b-2f1f0a6f4f11`.
#[Scalar(name = "UUID", specified_by_url = "https://www.rfc-editor.org/rfc/rfc9562")]
impl ScalarType for UuidText {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        Uuid::parse_str(text).map(Self).map_err(|_| {
            InputValueError::custom("the value is no UUID, such as 0198c5b2-7c1e-7d3a-9a4b-2f1f0a6f4f11")
        })
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// An amount of one currency.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Money {
    /// In the currency's minor units (cents, pence, yen).
    pub amount_minor: i64,
    /// ISO 4217, such as EUR.
    pub currency: CurrencyCode,
}

impl Money {
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency: CurrencyCode(currency) }
    }
}

impl From<octocity_domain::Money> for Money {
    fn from(money: octocity_domain::Money) -> Self {
        Self::new(money.amount_minor, money.currency)
    }
}

/// An amount of one currency.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct MoneyInput {
    /// In the currency's minor units (cents, pence, yen).
    pub amount_minor: i64,
    /// ISO 4217, such as EUR.
    pub currency: CurrencyCode,
}

impl From<MoneyInput> for octocity_domain::Money {
    fn from(money: MoneyInput) -> Self {
        Self::new(money.amount_minor, money.currency.0)
    }
}

/// An active ISO 4217 code in capitals, such as EUR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyCode(pub Currency);

/// An active ISO 4217 code in capitals, such as EUR.
#[Scalar(name = "Currency")]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        Currency::try_new(text).map(Self).ok_or_else(|| {
            InputValueError::custom("the value is no active ISO 4217 code in capitals, such as EUR")
        })
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

pub fn id(id: impl ToString) -> ID {
    ID(id.to_string())
}

/// A value as an error quotes it: its first characters, none of them a control character.
pub fn shown(value: &str) -> String {
    const MOST_CHARS: usize = 40;
    let kept = value.chars().map(|character| if is_control(character) { '?' } else { character });
    let more = if value.chars().nth(MOST_CHARS).is_some() { "..." } else { "" };
    kept.take(MOST_CHARS).collect::<String>() + more
}

/// An id that is a UUID. `name`: the argument's. Its value is not quoted: a reservation's opens gates.
pub fn uuid_id<T: From<UuidText>>(name: &str, id: &ID) -> Result<T> {
    Uuid::parse_str(&id.0).map(|uuid| T::from(UuidText(uuid))).map_err(|_| {
        bad_input(format!("{name}: the value is no UUID; give an id exactly as this API gave it."))
    })
}

/// A code that an operator chose. `name`: the argument's.
pub fn code_id<T: From<CodeText>>(name: &str, id: &ID) -> Result<T> {
    no_card_number(name, &id.0)?;
    Code::try_new(&id.0).map(|code| T::from(CodeText(code))).map_err(|_| {
        bad_input(format!(
            "{name}: '{}' is no code; a code has 1 to 32 of a-z, A-Z, 0-9, '-', '_' and '.'.",
            shown(&id.0)
        ))
    })
}

pub struct CodeText(Code);

macro_rules! from_wire {
    ($wire:ident: $($id:ident),+) => {$(
        impl From<$wire> for octocity_domain::$id {
            fn from(wire: $wire) -> Self {
                Self(wire.0)
            }
        }
    )+};
}
from_wire!(UuidText: FacilityId, VisitId, GrantId, ReservationId, PaymentId, CommandId);
from_wire!(CodeText: OperatorId, AreaId, LevelId, PoolId, SpotId, SpotKind, LaneId);

/// A text of at most so many characters, none of them a control character, that holds no payment card's number.
pub fn text(name: &str, text: String, max_chars: usize) -> Result<String> {
    no_card_number(name, &text)?;
    if text.chars().any(is_control) {
        return Err(bad_input(format!("'{name}' holds a control character; leave it out.")));
    }
    if text.chars().count() > max_chars {
        return Err(bad_input(format!("'{name}' has at most {max_chars} characters.")));
    }
    Ok(text)
}

fn no_card_number(name: &str, value: &str) -> Result<()> {
    match holds_card_number(value) {
        true => Err(field_error(
            faults::Code::PaymentCardNumber,
            format!(
                "'{name}' holds what looks like a payment card's number, which is never stored; leave it out."
            ),
        )),
        false => Ok(()),
    }
}

/// Also those that turn the direction of the text after them: a plate would look like another one on every screen.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The most characters of a reason or another free text.
pub const MAX_TEXT: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_an_offset_and_a_sane_year() {
        let parse = |text: &str| DateTime::parse(Value::String(text.to_owned())).ok();
        assert_eq!(
            parse("2026-03-29T01:30:00.5+02:00").unwrap().to_value(),
            Value::from("2026-03-28T23:30:00.5Z")
        );
        assert_eq!(parse("2026-03-29T01:30:00-23:59"), parse("2026-03-30T01:29:00z"));
        for bad in
            ["", "2026-03-29", "2026-03-29T01:30:00", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "now"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
        for offset in ["+24:00", "+25:00", "-99:00", "+02", "+0200", "+02:00:30", "é+02:00"] {
            assert_eq!(parse(&format!("2026-03-29T01:30:00{offset}")), None, "{offset}");
        }
    }

    #[test]
    fn texts_are_bounded() {
        assert!(text("reason", "x".repeat(500), MAX_TEXT).is_ok());
        assert!(text("reason", "x".repeat(501), MAX_TEXT).is_err());
        assert!(text("reason", "a\nb".to_owned(), MAX_TEXT).is_err());
    }

    #[test]
    fn a_card_number_is_refused_and_not_repeated() {
        let said = text("reason", "paid with 4111 1111 1111 1111".to_owned(), MAX_TEXT).unwrap_err();
        let code =
            code_id::<octocity_domain::LaneId>("lane", &ID("4111-1111-1111-1111".to_owned())).unwrap_err();
        for error in [said, code] {
            let told = format!("{error:?}");
            assert!(told.contains("PAYMENT_CARD_NUMBER") && !told.contains("1111"), "{told}");
        }
    }

    #[test]
    fn an_error_names_the_field_and_quotes_at_most_the_start_of_the_value() {
        let said = uuid_id::<octocity_domain::FacilityId>("facilityId", &ID("no-id".to_owned())).unwrap_err();
        assert!(said.message.starts_with("facilityId: the value is no UUID;"), "{}", said.message);
        assert_eq!(shown("a\u{202e}b\n"), "a?b?");
        assert_eq!(shown(&"x".repeat(41)), "x".repeat(40) + "...");
    }
}
