//! What is asked of the book of reservations until it answers itself.
#![allow(unused)]

use octocity_domain::reservations::ReservationsState;
use octocity_domain::{Interval, PoolId, ReservationId};

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
