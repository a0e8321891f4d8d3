//! One row per facility: its plan and its modes.

use std::collections::BTreeMap;

use octocity_domain::facilities::{Layout, Plan, Policies};
use octocity_domain::parking::AdmissionMode;
use octocity_domain::tariffs::Tariff;
use octocity_domain::{Currency, FacilityId, LaneId, OperatorId, Timestamp, time::Zone};

use crate::row::{Json, row};

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
