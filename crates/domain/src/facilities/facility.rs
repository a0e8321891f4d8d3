//! One facility's stream: its registration and every later change of its plan.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::plan::{Layout, LayoutFault, Plan, Policies, activate};
use crate::decider::{Context, Decider, Decision, Moment, Refusal, refusal_codes};
use crate::event::Category;
use crate::ids::{FacilityId, OperatorId};
use crate::money::Currency;
use crate::tariffs::{Tariff, TariffFault};
use crate::time::{Timestamp, Zone};

/// Storage format: names and fields stay as they are for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FacilityEvent {
    FacilityRegistered {
        facility: FacilityId,
        operator: OperatorId,
        name: String,
        zone: Zone,
        currency: Currency,
        layout: Layout,
        policies: Policies,
    },
    LayoutChanged {
        layout: Layout,
    },
    /// In force for visits that enter from `from` on.
    TariffActivated {
        tariff: Tariff,
        from: Timestamp,
    },
    PolicySet {
        policies: Policies,
    },
}

/// Registered or not; `Arc` because every command of the facility is handed the plan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum FacilityState {
    #[default]
    Unknown,
    Registered(Arc<Plan>),
}

impl FacilityState {
    pub const fn plan(&self) -> Option<&Arc<Plan>> {
        match self {
            Self::Unknown => None,
            Self::Registered(plan) => Some(plan),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub enum FacilityCommand {
    RegisterFacility {
        facility: FacilityId,
        operator: OperatorId,
        name: String,
        zone: Zone,
        currency: Currency,
        layout: Layout,
        policies: Policies,
    },
    ChangeLayout {
        layout: Layout,
    },
    /// `from`: the instant it comes into force; at the earliest now.
    ActivateTariff {
        tariff: Tariff,
        from: Option<Timestamp>,
    },
    SetPolicies {
        policies: Policies,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum FacilityRefusal {
    FacilityUnknown,
    FacilityExists,
    NameInvalid,
    LayoutInvalid { fault: LayoutFault },
    TariffInvalid { fault: TariffFault },
    TariffCurrencyWrong { expected: Currency, given: Currency },
    TariffFromPast,
    PolicyInvalid { sentence: String },
}

refusal_codes!(FacilityRefusal {
    FacilityUnknown => "FACILITY_UNKNOWN",
    FacilityExists => "FACILITY_EXISTS",
    NameInvalid => "NAME_INVALID",
    LayoutInvalid => "LAYOUT_INVALID",
    TariffInvalid => "TARIFF_INVALID",
    TariffCurrencyWrong => "CURRENCY_WRONG",
    TariffFromPast => "TARIFF_FROM_PAST",
    PolicyInvalid => "POLICY_INVALID",
});

impl Refusal for FacilityRefusal {
    fn code(&self) -> &'static str {
        self.stable_code()
    }
    fn message(&self) -> String {
        match self {
            Self::FacilityUnknown => "No facility has this id; register it first or correct the id.".into(),
            Self::FacilityExists => {
                "A facility with this id is registered already; choose another id or change this one.".into()
            }
            Self::NameInvalid => {
                "A name has 1 to 200 characters, none of them control characters; shorten or correct it."
                    .into()
            }
            Self::LayoutInvalid { fault } => format!("The layout cannot be: {fault}."),
            Self::TariffInvalid { fault } => format!("The tariff cannot be: {fault}."),
            Self::TariffCurrencyWrong { expected, given } => {
                format!(
                    "The facility charges in {expected}, the tariff is in {given}; give its prices in {expected}."
                )
            }
            Self::TariffFromPast => {
                "A tariff cannot come into force in the past; leave 'from' out or set it to a later time."
                    .into()
            }
            Self::PolicyInvalid { sentence } => sentence.clone(),
        }
    }
}

pub struct Facility;

type Outcome = Decision<FacilityEvent, FacilityRefusal>;

impl Decider for Facility {
    const CATEGORY: Category = Category::Facility;
    const SNAPSHOT_VERSION: u32 = 1;
    type State = FacilityState;
    type Event = FacilityEvent;
    type Command = FacilityCommand;
    type Facts = ();
    type Refusal = FacilityRefusal;

    fn evolve(state: &mut FacilityState, event: &FacilityEvent, _: Moment) {
        if let FacilityEvent::FacilityRegistered {
            facility,
            operator,
            name,
            zone,
            currency,
            layout,
            policies,
        } = event
        {
            *state = FacilityState::Registered(Arc::new(Plan {
                facility: *facility,
                version: 1,
                operator: *operator,
                name: name.clone(),
                zone: zone.clone(),
                currency: *currency,
                layout: layout.clone(),
                policies: policies.clone(),
                tariffs: Vec::new(),
            }));
            return;
        }
        let FacilityState::Registered(plan) = state else { return };
        let plan = Arc::make_mut(plan);
        plan.version += 1;
        match event {
            FacilityEvent::FacilityRegistered { .. } => {}
            FacilityEvent::LayoutChanged { layout } => plan.layout = layout.clone(),
            FacilityEvent::TariffActivated { tariff, from } => {
                activate(&mut plan.tariffs, tariff, *from);
            }
            FacilityEvent::PolicySet { policies } => plan.policies = policies.clone(),
        }
    }

    fn decide(state: &FacilityState, command: &FacilityCommand, (): &(), context: Context) -> Outcome {
        let decided = match (command, state.plan()) {
            (FacilityCommand::RegisterFacility { .. }, Some(_)) => Err(FacilityRefusal::FacilityExists),
            (FacilityCommand::RegisterFacility { .. }, None) => register(command),
            (_, None) => Err(FacilityRefusal::FacilityUnknown),
            (FacilityCommand::ChangeLayout { layout }, Some(plan)) => change_layout(plan, layout),
            (FacilityCommand::ActivateTariff { tariff, from }, Some(plan)) => {
                activate_tariff(plan, tariff, *from, context.now)
            }
            (FacilityCommand::SetPolicies { policies }, Some(plan)) => set_policies(plan, policies),
        };
        match decided {
            Ok(Some(event)) => Decision::accepted_one(event, context.now),
            Ok(None) => Decision::nothing(),
            Err(refusal) => Decision::refused(refusal),
        }
    }
}

fn register(command: &FacilityCommand) -> Result<Option<FacilityEvent>, FacilityRefusal> {
    let FacilityCommand::RegisterFacility { facility, operator, name, zone, currency, layout, policies } =
        command
    else {
        return Ok(None);
    };
    let length = name.chars().count();
    if !(1..=200).contains(&length) || name.chars().any(char::is_control) {
        return Err(FacilityRefusal::NameInvalid);
    }
    layout.check().map_err(|fault| FacilityRefusal::LayoutInvalid { fault })?;
    check_policies(policies)?;
    Ok(Some(FacilityEvent::FacilityRegistered {
        facility: *facility,
        operator: *operator,
        name: name.clone(),
        zone: zone.clone(),
        currency: *currency,
        layout: layout.clone(),
        policies: policies.clone(),
    }))
}

fn change_layout(plan: &Plan, layout: &Layout) -> Result<Option<FacilityEvent>, FacilityRefusal> {
    layout.check().map_err(|fault| FacilityRefusal::LayoutInvalid { fault })?;
    Ok((plan.layout != *layout).then(|| FacilityEvent::LayoutChanged { layout: layout.clone() }))
}

fn activate_tariff(
    plan: &Plan,
    tariff: &Tariff,
    from: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<FacilityEvent>, FacilityRefusal> {
    tariff.check().map_err(|fault| FacilityRefusal::TariffInvalid { fault })?;
    if tariff.currency != plan.currency {
        return Err(FacilityRefusal::TariffCurrencyWrong { expected: plan.currency, given: tariff.currency });
    }
    let from = from.unwrap_or(now);
    // A visit that entered is priced by what was shown to it at the column: no tariff starts before now.
    if from < now {
        return Err(FacilityRefusal::TariffFromPast);
    }
    Ok(Some(FacilityEvent::TariffActivated { tariff: tariff.clone(), from }))
}

fn set_policies(plan: &Plan, policies: &Policies) -> Result<Option<FacilityEvent>, FacilityRefusal> {
    check_policies(policies)?;
    Ok((plan.policies != *policies).then(|| FacilityEvent::PolicySet { policies: policies.clone() }))
}

fn check_policies(policies: &Policies) -> Result<(), FacilityRefusal> {
    const DAY_SECONDS: u32 = 86_400;
    if !(5..=3600).contains(&policies.grant_limit_seconds) {
        let sentence =
            "The grant time limit is between 5 and 3600 seconds; choose one in between.".to_owned();
        return Err(FacilityRefusal::PolicyInvalid { sentence });
    }
    if policies.hold_lead_seconds > 7 * DAY_SECONDS {
        let sentence = "The hold lead time is at most seven days (604800 seconds); shorten it.".to_owned();
        return Err(FacilityRefusal::PolicyInvalid { sentence });
    }
    Ok(())
}
