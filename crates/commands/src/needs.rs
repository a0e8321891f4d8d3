//! What is asked of the money contexts' states until those answer themselves.
#![allow(unused)]

use octocity_domain::payments::{Allocation, GatewayCall, PaymentState};
use octocity_domain::reservations::ReservationsState;
use octocity_domain::sessions::SessionState;
use octocity_domain::tariffs::Quote;
use octocity_domain::{FacilityId, Interval, PoolId, ReservationId, Timestamp};

pub trait SessionNeeds {
    fn is_open(&self) -> bool {
        false
    }
    fn quote(&self, _now: Timestamp) -> Option<Quote> {
        None
    }
    fn leave_by(&self) -> Option<Timestamp> {
        None
    }
    fn entered_at(&self) -> Option<Timestamp> {
        None
    }
    fn ended_at(&self) -> Option<Timestamp> {
        None
    }
}
impl SessionNeeds for SessionState {}

pub trait PaymentNeeds {
    fn facility(&self) -> Option<FacilityId> {
        None
    }
    fn open_call(&self) -> Option<GatewayCall> {
        None
    }
    fn allocate(&self, _amount_minor: i64) -> Vec<Allocation> {
        Vec::new()
    }
    fn token(&self) -> Option<&str> {
        None
    }
    fn reference(&self) -> Option<&str> {
        None
    }
    fn priced_at(&self) -> Option<Timestamp> {
        None
    }
}
impl PaymentNeeds for PaymentState {}

pub struct Promise {
    pub pool: PoolId,
    pub interval: Interval,
}
impl Promise {
    pub fn is_cancelled(&self) -> bool {
        false
    }
}
pub trait BookNeeds {
    fn reservation(&self, _id: ReservationId) -> Option<Promise> {
        None
    }
    fn reservable_places(&self, _pool: PoolId) -> Option<u32> {
        None
    }
}
impl BookNeeds for ReservationsState {}
