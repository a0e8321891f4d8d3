//! Scenes at the gates, one for each rule of the domain, and the properties that hold in all of them.

mod admission;
mod garage;
mod passages;
mod properties;
mod visits;
