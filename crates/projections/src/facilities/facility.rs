//! One row per facility: its plan and its modes.

use std::collections::BTreeMap;

use octocity_domain::facilities::{FacilityEvent, Layout, Plan, Policies, activate};
use octocity_domain::parking::{AdmissionMode, ModeScope, ParkingEvent};
use octocity_domain::tariffs::Tariff;
use octocity_domain::{Category, Currency, Event, FacilityId, LaneId, OperatorId, Timestamp, time::Zone};

use crate::row::{Json, row};
use crate::view::{EventRecord, Unappliable, View};

row! {
    /// A facility's plan with the modes its gates are in.
    pub struct FacilityRow in "facilities", indexes &[&["operator", "name"], &["name"]];
    key {
        facility: FacilityId,
    }
    operator: OperatorId,
    name: String,
    zone: Zone,
    currency: Currency,
    layout: Json<Layout>,
    policies: Json<Policies>,
    /// By the instant each came into force, oldest first.
    tariffs: Json<Vec<(Timestamp, Tariff)>>,
    plan_version: u64,
    mode: AdmissionMode,
    mode_reason: Option<String>,
    /// Of the lanes that are not in normal mode.
    lane_modes: Json<BTreeMap<LaneId, AdmissionMode>>,
}

impl FacilityRow {
    pub fn plan(&self) -> Plan {
        Plan {
            facility: self.facility,
            version: self.plan_version,
            operator: self.operator,
            name: self.name.clone(),
            zone: self.zone.clone(),
            currency: self.currency,
            layout: self.layout.0.clone(),
            policies: self.policies.0.clone(),
            tariffs: self.tariffs.0.clone(),
        }
    }
}

/// Folds the plan and the modes.
pub struct Facilities;

impl View for Facilities {
    type Row = FacilityRow;
    const CATEGORIES: &'static [Category] = &[Category::Facility, Category::Parking];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId,)>) {
        match record.event {
            Event::Facility(_) | Event::Parking(ParkingEvent::AdmissionModeSet { .. }) => {
                keys.push((record.facility(),));
            }
            _ => {}
        }
    }

    fn apply(
        row: &mut Option<FacilityRow>,
        _: &(FacilityId,),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        if let Event::Facility(event @ FacilityEvent::FacilityRegistered { .. }) = record.event {
            *row = registered(event);
            return Ok(());
        }
        let row = row.as_mut().ok_or(Unappliable("the facility was never registered"))?;
        match record.event {
            Event::Facility(event) => row.change(event),
            Event::Parking(ParkingEvent::AdmissionModeSet { scope, mode, reason }) => {
                row.set_mode(*scope, *mode, reason);
            }
            _ => {}
        }
        Ok(())
    }
}

fn registered(event: &FacilityEvent) -> Option<FacilityRow> {
    let FacilityEvent::FacilityRegistered { facility, operator, name, zone, currency, layout, policies } =
        event
    else {
        return None;
    };
    Some(FacilityRow {
        facility: *facility,
        operator: *operator,
        name: name.clone(),
        zone: zone.clone(),
        currency: *currency,
        layout: Json(layout.clone()),
        policies: Json(policies.clone()),
        tariffs: Json(Vec::new()),
        plan_version: 1,
        mode: AdmissionMode::Normal,
        mode_reason: None,
        lane_modes: Json(BTreeMap::new()),
    })
}

impl FacilityRow {
    fn change(&mut self, event: &FacilityEvent) {
        self.plan_version += 1;
        match event {
            FacilityEvent::FacilityRegistered { .. } => {}
            FacilityEvent::LayoutChanged { layout } => self.layout = Json(layout.clone()),
            FacilityEvent::TariffActivated { tariff, from } => {
                activate(&mut self.tariffs, tariff, *from);
            }
            FacilityEvent::PolicySet { policies } => self.policies = Json(policies.clone()),
        }
    }

    fn set_mode(&mut self, scope: ModeScope, mode: AdmissionMode, reason: &str) {
        match scope {
            ModeScope::Facility => {
                self.mode = mode;
                self.mode_reason = (mode != AdmissionMode::Normal).then(|| reason.to_owned());
            }
            ModeScope::Lane { lane } if mode == AdmissionMode::Normal => {
                self.lane_modes.remove(&lane);
            }
            ModeScope::Lane { lane } => {
                self.lane_modes.insert(lane, mode);
            }
        }
    }
}
