//! What a facility may be registered as, and how its plan changes.

use uuid::Uuid;

use super::plan::{AntiPassback, Area, Lane, Layout, Plan, Policies, Pool, Spot, activate};
use super::{Facility, FacilityCommand, FacilityEvent};
use crate::tariffs::Tariff;
use crate::testing::{SPEC_TIME, given};
use crate::time::Zone;
use crate::{AreaId, Code, Currency, FacilityId, LaneId, OperatorId, PoolId, SpotId, SpotKind};

fn pool(id: &str, places: Option<u32>, reservable_places: u32) -> Pool {
    let id = PoolId::try_new(id).unwrap();
    Pool { id, name: id.to_string(), places, reservable_places, chargeable: true }
}

fn lane(from: Option<&str>, to: Option<&str>, pool: &str) -> Lane {
    let area = |id: &str| AreaId::try_new(id).unwrap();
    Lane {
        id: LaneId::try_new("in").unwrap(),
        name: "Entry".to_owned(),
        from: from.map(area),
        to: to.map(area),
        pool: PoolId::try_new(pool).unwrap(),
        detector: true,
    }
}

fn layout() -> Layout {
    Layout {
        areas: vec![Area { id: AreaId::try_new("deck").unwrap(), name: "Deck".to_owned(), level: None }],
        pools: vec![pool("short", Some(100), 20)],
        spots: Vec::new(),
        lanes: vec![lane(None, Some("deck"), "short")],
    }
}

fn currency(code: &str) -> Currency {
    Currency::try_new(code).unwrap()
}

fn register_as(name: &str, layout: Layout, policies: Policies) -> FacilityCommand {
    FacilityCommand::RegisterFacility {
        facility: FacilityId(Uuid::from_u128(1)),
        operator: OperatorId::try_new("city").unwrap(),
        name: name.to_owned(),
        zone: Zone::try_new("Europe/London").unwrap(),
        currency: currency("GBP"),
        layout,
        policies,
    }
}

fn registered() -> FacilityEvent {
    FacilityEvent::FacilityRegistered {
        facility: FacilityId(Uuid::from_u128(1)),
        operator: OperatorId::try_new("city").unwrap(),
        name: "Brindleyplace".to_owned(),
        zone: Zone::try_new("Europe/London").unwrap(),
        currency: currency("GBP"),
        layout: layout(),
        policies: Policies::default(),
    }
}

fn tariff(code: &str) -> Tariff {
    Tariff {
        id: Code::try_new("day-1").unwrap(),
        currency: currency(code),
        free_seconds: 900,
        increment_seconds: 3600,
        price_per_increment_minor: 200,
        cap: None,
        grace_seconds: 900,
    }
}

#[test]
fn a_facility_is_registered_once() {
    given::<Facility>([])
        .when(register_as("Brindleyplace", layout(), Policies::default()))
        .then([registered()])
        .when(register_as("Brindleyplace", layout(), Policies::default()))
        .then_refused("FACILITY_EXISTS");
}

#[test]
fn nothing_is_changed_of_what_is_not_registered() {
    given::<Facility>([])
        .when(FacilityCommand::ChangeLayout { layout: layout() })
        .then_refused("FACILITY_UNKNOWN");
}

#[test]
fn a_name_is_a_short_text_of_printable_characters() {
    for name in ["", &"x".repeat(201), "a\nb"] {
        given::<Facility>([])
            .when(register_as(name, layout(), Policies::default()))
            .then_refused("NAME_INVALID");
    }
}

#[track_caller]
fn is_refused(break_it: impl FnOnce(&mut Layout)) {
    let mut broken = layout();
    break_it(&mut broken);
    given::<Facility>([registered()])
        .when(FacilityCommand::ChangeLayout { layout: broken })
        .then_refused("LAYOUT_INVALID");
}

#[test]
fn a_layout_names_only_what_it_lists_and_everything_once() {
    is_refused(|layout| layout.pools.clear());
    is_refused(|layout| layout.pools.push(pool("short", None, 0)));
    is_refused(|layout| layout.pools[0].reservable_places = 101);
    is_refused(|layout| layout.pools[0].places = Some(1_000_001));
    is_refused(|layout| layout.lanes.push(layout.lanes[0].clone()));
    is_refused(|layout| layout.lanes[0] = lane(None, None, "short"));
    is_refused(|layout| layout.lanes[0] = lane(Some("roof"), None, "short"));
    is_refused(|layout| layout.lanes[0] = lane(None, Some("deck"), "valet"));
    is_refused(|layout| {
        layout.spots.push(Spot {
            id: SpotId::try_new("1").unwrap(),
            area: AreaId::try_new("roof").unwrap(),
            pool: PoolId::try_new("short").unwrap(),
            kind: SpotKind::try_new("ev").unwrap(),
        });
    });
}

#[test]
fn a_change_to_what_is_already_so_adds_no_event() {
    given::<Facility>([registered()])
        .when(FacilityCommand::ChangeLayout { layout: layout() })
        .then_nothing()
        .when(FacilityCommand::SetPolicies { policies: Policies::default() })
        .then_nothing();
}

#[test]
fn every_event_raises_the_plans_version() {
    let policies = Policies { anti_passback: AntiPassback::Hard, ..Policies::default() };
    let after = given::<Facility>([registered()])
        .when(FacilityCommand::SetPolicies { policies: policies.clone() })
        .then([FacilityEvent::PolicySet { policies }]);
    assert_eq!(after.state().plan().unwrap().version, 2);
}

#[test]
fn a_policy_beyond_reason_is_refused() {
    for policies in [
        Policies { grant_limit_seconds: 0, ..Policies::default() },
        Policies { hold_lead_seconds: u32::MAX, ..Policies::default() },
    ] {
        given::<Facility>([registered()])
            .when(FacilityCommand::SetPolicies { policies })
            .then_refused("POLICY_INVALID");
    }
}

#[test]
fn a_tariff_is_in_the_facilitys_currency_and_never_from_the_past() {
    let activate = |code, from| FacilityCommand::ActivateTariff { tariff: tariff(code), from };
    given::<Facility>([registered()])
        .when(activate("EUR", None))
        .then_refused("CURRENCY_WRONG")
        .when(activate("GBP", Some(SPEC_TIME.minus_seconds(1))))
        .then_refused("TARIFF_FROM_PAST")
        .when(activate("GBP", None))
        .then([FacilityEvent::TariffActivated { tariff: tariff("GBP"), from: SPEC_TIME }]);
}

#[test]
fn a_visit_is_priced_by_the_tariff_in_force_when_it_entered() {
    let later = Tariff { price_per_increment_minor: 300, ..tariff("GBP") };
    let next_day = SPEC_TIME.plus_seconds(86_400);
    let after = given::<Facility>([
        registered(),
        FacilityEvent::TariffActivated { tariff: tariff("GBP"), from: SPEC_TIME },
        FacilityEvent::TariffActivated { tariff: later.clone(), from: next_day },
    ]);
    let plan = after.state().plan().unwrap();
    assert_eq!(plan.tariff_at(next_day.minus_seconds(1)), Some(&tariff("GBP")));
    assert_eq!(plan.tariff_at(next_day), Some(&later));
    assert_eq!(plan.tariff_at(SPEC_TIME.minus_seconds(1)), None, "it was free at the column");
    let corrected = Tariff { price_per_increment_minor: 250, ..tariff("GBP") };
    let noon = SPEC_TIME.plus_seconds(60);
    let mut plan = Plan::clone(plan);
    activate(&mut plan.tariffs, &corrected, noon);
    assert_eq!(plan.tariff_at(noon), Some(&corrected));
    assert_eq!(plan.tariff_at(next_day), Some(&later), "what was scheduled stays");
    activate(&mut plan.tariffs, &corrected, next_day);
    assert_eq!(plan.tariff_at(next_day), Some(&corrected), "for the same instant the newer one counts");
}
