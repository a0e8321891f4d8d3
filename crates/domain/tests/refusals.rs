//! Every refusal has a code of its own, and docs/refusals.md says what to do about each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;

use octocity_domain::facilities::FacilityRefusal;
use octocity_domain::operations::SkipsRefusal;
use octocity_domain::parking::ParkingRefusal;
use octocity_domain::payments::PaymentRefusal;
use octocity_domain::reservations::ReservationsRefusal;
use octocity_domain::sessions::SessionRefusal;

const CONTEXTS: [&[&str]; 6] = [
    FacilityRefusal::ALL_CODES,
    ParkingRefusal::ALL_CODES,
    PaymentRefusal::ALL_CODES,
    ReservationsRefusal::ALL_CODES,
    SessionRefusal::ALL_CODES,
    SkipsRefusal::ALL_CODES,
];

/// The codes of the tables' first column, each with how many cells its row fills.
fn documented() -> Vec<(String, usize)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/refusals.md");
    let text = std::fs::read_to_string(&page).expect("docs/refusals.md belongs to the project");
    let row = |line: &str| {
        let code = line.strip_prefix("| `")?.split('`').next()?.to_owned();
        Some((code, line.split('|').filter(|cell| !cell.trim().is_empty()).count()))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn within_a_context_every_refusal_has_a_code_of_its_own() {
    for codes in CONTEXTS {
        let distinct: BTreeSet<_> = codes.iter().collect();
        assert_eq!(distinct.len(), codes.len(), "one of {codes:?} stands twice");
        let shaped = |code: &str| code.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
        assert!(codes.iter().all(|code| shaped(code)), "{codes:?}");
    }
}

#[test]
fn the_page_explains_every_code_once_and_no_other() {
    let rows = documented();
    let explained: BTreeSet<&str> = rows.iter().map(|(code, _)| code.as_str()).collect();
    let existing: BTreeSet<&str> = CONTEXTS.concat().into_iter().collect();
    assert_eq!(explained, existing);
    assert_eq!(rows.len(), explained.len(), "a code has two rows");
    assert!(rows.iter().all(|(_, cells)| *cells == 3), "a row lacks its meaning or what to do");
}
