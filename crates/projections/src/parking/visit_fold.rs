//! How events become visit rows.

use octocity_domain::parking::{
    Credential, Departure, Entry, MatchKey, ParkingEvent, Presumption, Reconciliation,
};
use octocity_domain::{Category, Event, FacilityId, PoolId, Timestamp, VisitId};

use super::visits::{EndKind, EntryKind, VisitRow, VisitStatus};
use crate::row::Json;
use crate::view::{EventRecord, Unappliable, View};

/// Folds what is known of each visit. Passages without a visit touch no row here.
pub struct Visits;

type Key = (FacilityId, VisitId);
const UNKNOWN: Unappliable = Unappliable("nothing was heard of this visit before");

impl View for Visits {
    type Row = VisitRow;
    const CATEGORIES: &'static [Category] = &[Category::Parking];

    fn keys(record: &EventRecord, keys: &mut Vec<Key>) {
        let Event::Parking(event) = record.event else { return };
        let facility = record.facility();
        match event {
            // Without credentials the passage may turn out to be nobody's: only a passage that names it makes its row.
            ParkingEvent::EntryGranted { credentials, .. } if credentials.is_empty() => {}
            ParkingEvent::EntryGranted { visit, .. }
            | ParkingEvent::VisitDeclared { visit, .. }
            | ParkingEvent::VisitPresumedLeft { visit, .. }
            | ParkingEvent::CredentialsChanged { visit, .. }
            | ParkingEvent::VehicleLeft {
                departure: Departure::Visit { visit } | Departure::PresumedVisit { visit },
                ..
            } => keys.push((facility, *visit)),
            ParkingEvent::ExitGranted { visit, .. }
            | ParkingEvent::GrantLapsed { visit, .. }
            | ParkingEvent::VehicleEntered { visit, .. }
            | ParkingEvent::VehicleMoved { visit, .. } => keys.extend(visit.map(|visit| (facility, visit))),
            ParkingEvent::VisitReconciled { visit, outcome, .. } => {
                keys.push((facility, *visit));
                if let Reconciliation::Merged { into } = outcome {
                    keys.push((facility, *into));
                }
            }
            ParkingEvent::OccupancyCorrected { to_review, .. } => {
                keys.extend(to_review.iter().map(|visit| (facility, *visit)));
            }
            _ => {}
        }
    }

    /// The visit's id is then of the event's own command. (A passage on a grant, lapsed or not, is of an earlier one.)
    fn begins(record: &EventRecord, (facility, visit): &Key) -> bool {
        let is_first = matches!(
            record.event,
            Event::Parking(
                ParkingEvent::EntryGranted { .. } | ParkingEvent::VehicleEntered { grant: None, .. }
            )
        );
        is_first && record.meta.command_id.visit(*facility) == *visit
    }

    fn apply(row: &mut Option<VisitRow>, key: &Key, record: &EventRecord) -> Result<(), Unappliable> {
        let Event::Parking(event) = record.event else { return Ok(()) };
        let at = record.happened_at();
        match event {
            ParkingEvent::EntryGranted { .. } => granted(row, *key, event, at),
            ParkingEvent::VehicleEntered { .. } => entered(row, *key, event, at),
            ParkingEvent::VisitDeclared { .. } => declared(row, *key, event, at),
            // A grant without credentials has no row, and its lapse or exit changes none.
            ParkingEvent::GrantLapsed { .. } | ParkingEvent::ExitGranted { .. } if row.is_none() => {
                return Ok(());
            }
            _ => row.as_mut().ok_or(UNKNOWN)?.change(event, at),
        }
        if let Some(row) = row {
            row.revisions.push(record.revision);
        }
        Ok(())
    }

    fn is_joint(record: &EventRecord) -> bool {
        matches!(
            record.event,
            Event::Parking(ParkingEvent::VisitReconciled { outcome: Reconciliation::Merged { .. }, .. })
        )
    }

    /// A merge: the kept visit takes over the earlier entry and the credentials of the other.
    fn apply_joint(rows: &mut [(Key, Option<VisitRow>)], record: &EventRecord) -> Result<(), Unappliable> {
        let [(_, Some(merged)), ((_, into), Some(kept))] = rows else { return Err(UNKNOWN) };
        merged.status = VisitStatus::Merged;
        merged.merged_into = Some(*into);
        merged.reviewed();
        if earlier(merged.entered_at, kept.entered_at) {
            kept.entry_kind = merged.entry_kind;
            kept.entered_at = merged.entered_at;
            kept.estimate_basis = merged.estimate_basis;
            kept.lane_in = merged.lane_in;
            kept.started_at = kept.started_at.min(merged.started_at);
        }
        for credential in merged.credentials.iter() {
            kept.add_credential(credential);
        }
        merged.revisions.push(record.revision);
        kept.revisions.push(record.revision);
        Ok(())
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one < other,
        (one, None) => one.is_some(),
        (None, Some(_)) => false,
    }
}

fn granted(row: &mut Option<VisitRow>, key: Key, event: &ParkingEvent, at: Timestamp) {
    let ParkingEvent::EntryGranted { grant, lane, pool, basis, credentials, expires_at, .. } = event else {
        return;
    };
    let row = row.get_or_insert_with(|| VisitRow::empty(key, *pool, at));
    row.basis = Some(Json(basis.clone()));
    row.reservation = event.claimed_reservation();
    row.grant = Some(*grant);
    row.grant_expires_at = Some(*expires_at);
    row.lane_in = Some(*lane);
    credentials.iter().for_each(|credential| row.add_credential(credential));
}

fn entered(row: &mut Option<VisitRow>, key: Key, event: &ParkingEvent, at: Timestamp) {
    let ParkingEvent::VehicleEntered {
        lane,
        pool,
        area,
        credentials,
        irregularities,
        joined_exit,
        used_reservation,
        ..
    } = event
    else {
        return;
    };
    let row = row.get_or_insert_with(|| VisitRow::empty(key, *pool, at));
    row.status = VisitStatus::Open;
    row.entry_kind = Some(EntryKind::Seen);
    row.entered_at = Some(at);
    row.started_at = row.started_at.min(at);
    row.lane_in = Some(*lane);
    row.area = *area;
    row.reservation = row.reservation.or(*used_reservation);
    row.irregularities.extend(irregularities);
    credentials.iter().for_each(|credential| row.add_credential(credential));
    if let Some(joined) = joined_exit {
        row.ended(EndKind::Seen, joined.left_at);
    }
}

fn declared(row: &mut Option<VisitRow>, key: Key, event: &ParkingEvent, at: Timestamp) {
    let ParkingEvent::VisitDeclared { pool, entry, credentials, .. } = event else { return };
    let row = row.get_or_insert_with(|| VisitRow::empty(key, *pool, at));
    row.status = VisitStatus::Open;
    (row.entry_kind, row.estimate_basis) = match entry {
        Entry::Seen { .. } => (Some(EntryKind::Seen), None),
        Entry::Estimated { basis, .. } => (Some(EntryKind::Estimated), Some(*basis)),
        Entry::Unknown => (Some(EntryKind::Unknown), None),
    };
    row.entered_at = entry.at();
    credentials.iter().for_each(|credential| row.add_credential(credential));
}

impl VisitRow {
    const fn empty((facility, visit): Key, pool: PoolId, started_at: Timestamp) -> Self {
        Self {
            facility,
            visit,
            pool,
            area: None,
            status: VisitStatus::Granted,
            started_at,
            basis: None,
            reservation: None,
            grant: None,
            grant_expires_at: None,
            entry_kind: None,
            entered_at: None,
            estimate_basis: None,
            end_kind: None,
            ended_at: None,
            presumption: None,
            exit_granted_at: None,
            cover: None,
            lane_in: None,
            lane_out: None,
            credentials: Json(Vec::new()),
            plate_key: None,
            ticket_key: None,
            needs_review: None,
            review_reason: None,
            irregularities: Json(Vec::new()),
            merged_into: None,
            revisions: Json(Vec::new()),
        }
    }

    fn change(&mut self, event: &ParkingEvent, at: Timestamp) {
        match event {
            ParkingEvent::ExitGranted { cover, .. } => {
                self.exit_granted_at = Some(at);
                self.cover = Some(Json(cover.clone()));
            }
            ParkingEvent::GrantLapsed { grant, .. } => match self.status {
                VisitStatus::Granted if self.grant == Some(*grant) => self.status = VisitStatus::Lapsed,
                _ => {
                    self.exit_granted_at = None;
                    self.cover = None;
                }
            },
            ParkingEvent::VehicleLeft { lane, irregularities, .. } => {
                self.ended(EndKind::Seen, at);
                self.lane_out = Some(*lane);
                self.irregularities.extend(irregularities);
            }
            ParkingEvent::VehicleMoved { to, .. } => self.area = Some(*to),
            ParkingEvent::VisitPresumedLeft { presumption, .. } => {
                self.ended(EndKind::Presumed, at);
                self.status = VisitStatus::PresumedLeft;
                self.presumption = Some(*presumption);
                self.needs_review(reason_of(*presumption));
            }
            ParkingEvent::VisitReconciled { outcome, .. } => self.reconciled(*outcome, at),
            ParkingEvent::CredentialsChanged { old, new, .. } => {
                self.change_credentials(old.as_ref(), new.as_ref());
            }
            ParkingEvent::OccupancyCorrected { .. } => self.needs_review("MISSING"),
            _ => {}
        }
    }

    fn reconciled(&mut self, outcome: Reconciliation, at: Timestamp) {
        match outcome {
            // What was presumed keeps its time; one that was only missing had left by the count.
            Reconciliation::Confirmed if self.status == VisitStatus::PresumedLeft => {
                self.status = VisitStatus::Left;
                self.end_kind = Some(EndKind::Judged);
            }
            Reconciliation::Confirmed => self.ended(EndKind::Judged, at),
            Reconciliation::StillInside => {
                self.status = VisitStatus::Open;
                self.end_kind = None;
                self.ended_at = None;
                self.presumption = None;
            }
            Reconciliation::Reassigned { left_at, .. } => self.ended(EndKind::Seen, left_at),
            // Folded with the visit it is merged into.
            Reconciliation::Merged { .. } => {}
        }
        self.reviewed();
    }

    fn ended(&mut self, kind: EndKind, at: Timestamp) {
        self.status = VisitStatus::Left;
        self.end_kind = Some(kind);
        self.ended_at = Some(at);
        self.area = None;
        self.reviewed();
    }

    fn needs_review(&mut self, reason: &str) {
        self.needs_review = Some(true);
        self.review_reason = Some(reason.to_owned());
    }

    fn reviewed(&mut self) {
        self.needs_review = None;
        self.review_reason = None;
    }

    fn add_credential(&mut self, credential: &Credential) {
        if self.credentials.contains(credential) {
            return;
        }
        self.credentials.push(credential.clone());
        self.index_credentials();
    }

    fn change_credentials(&mut self, old: Option<&MatchKey>, new: Option<&Credential>) {
        if let Some(old) = old {
            self.credentials.retain(|known| known.match_key() != *old);
        }
        if let Some(new) = new {
            self.add_credential(new);
        }
        self.index_credentials();
    }

    /// The newest plate and ticket are the ones it is looked up by.
    fn index_credentials(&mut self) {
        self.plate_key = self.credentials.iter().rev().find_map(|credential| match credential {
            Credential::Plate(read) => Some(read.match_key.clone()),
            _ => None,
        });
        self.ticket_key = self.credentials.iter().rev().find_map(|credential| match credential {
            Credential::Ticket { number } => Some(MatchKey(number.clone())),
            _ => None,
        });
    }
}

const fn reason_of(presumption: Presumption) -> &'static str {
    match presumption {
        Presumption::ReEntry => "RE_ENTRY",
        Presumption::Inventory => "INVENTORY",
        Presumption::Age => "AGE",
    }
}
