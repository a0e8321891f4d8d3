//! # Payments, as read
//!
//! - **payment row**: one payment's life and its sums.
//! - **visit payment**: what of a payment is for a visit, whatever became of it.
//! - **revenue hour**: what a facility captured and refunded in one hour, per currency, by when it happened.

pub mod payment;
pub mod queries;
pub mod revenue_hours;
pub mod visit_payments;

pub use octocity_domain::payments::PaymentStatus;
pub use payment::{PaymentRow, Payments};
pub use revenue_hours::{RevenueHourRow, RevenueHours};
pub use visit_payments::{VisitPaymentRow, VisitPayments};
