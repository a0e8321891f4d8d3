//! What a facility's gates know: folded from its stream, nothing else.
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ParkingState {}
