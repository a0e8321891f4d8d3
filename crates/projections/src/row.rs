//! Rows: typed for the views, plain values for the stores.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use octocity_domain::parking::MatchKey;
use octocity_domain::{
    AreaId, Code, Currency, FacilityId, GrantId, LaneId, LevelId, OperatorId, PaymentId, PoolId,
    ReservationId, SpotId, SpotKind, Timestamp, VisitId, time::Zone,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use uuid::Uuid;

/// One column's content, as every store knows it. Ordered: nulls first, then by value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Null,
    Int(i64),
    Id(Uuid),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Id,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
}

/// A table as a store makes it. Its first `key_columns` columns are the primary key.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [Column],
    pub key_columns: usize,
    /// Each a list of column names. A row that has null in one of them is not in it, and need not be written there: only a
    /// question for a value in each column that can be null, or for [`NotNull`](crate::Filter::NotNull), finds its rows by it.
    pub indexes: &'static [&'static [&'static str]],
}

impl Hash for Table {
    /// There are few tables, and most have names of their own.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Table {
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
    pub fn key(&self) -> &'static [Column] {
        &self.columns[..self.key_columns]
    }
}

/// A stored row that does not have the form its table says: the store was written by another version.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a stored row does not have the form of this version: {0}; rebuild the read models")]
pub struct RowError(pub String);

/// What a column can hold.
pub trait Field: Sized {
    const KIND: Kind;
    const NULLABLE: bool = false;
    fn to_value(&self) -> Value;
    fn from_value(value: Value) -> Result<Self, RowError>;
}

/// What a key column can hold.
pub trait KeyField: Field + Clone + Ord + Hash + Debug + Send + Sync + 'static {}

/// The primary key of a row.
pub trait Key: Clone + Ord + Hash + Debug + Send + Sync + 'static {
    fn to_values(&self) -> Vec<Value>;
}

/// A row of one read model table.
pub trait Row: Clone + PartialEq + Debug + Send + Sync + 'static {
    type Key: Key;
    const TABLE: &'static Table;
    fn key(&self) -> Self::Key;
    fn to_values(&self) -> Vec<Value>;
    fn from_values(values: Vec<Value>) -> Result<Self, RowError>;
}

/// Says what kind of value was found and not which: it may be a plate.
fn wrong(expected: &str, found: &Value) -> RowError {
    let found = match found {
        Value::Null => "nothing",
        Value::Int(_) => "a number",
        Value::Id(_) => "an id",
        Value::Text(_) => "a text",
    };
    RowError(format!("expected {expected}, found {found}"))
}

macro_rules! int_fields {
    ($($type:ty),+) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::Int;
            fn to_value(&self) -> Value {
                // Counts of vehicles and revisions are far below 2^63.
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
            fn from_value(value: Value) -> Result<Self, RowError> {
                match value {
                    Value::Int(number) => {
                        <$type>::try_from(number).map_err(|_| wrong(stringify!($type), &value))
                    }
                    other => Err(wrong(stringify!($type), &other)),
                }
            }
        }
        impl KeyField for $type {}
    )+};
}
int_fields!(i64, u64, u32, u16);

impl Field for bool {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(i64::from(*self))
    }
    fn from_value(value: Value) -> Result<Self, RowError> {
        i64::from_value(value).map(|number| number != 0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
impl Field for Timestamp {
    const KIND: Kind = Kind::Int;
    fn to_value(&self) -> Value {
        Value::Int(self.millis())
    }
    fn from_value(value: Value) -> Result<Self, RowError> {
        i64::from_value(value).map(Self::from_millis)
    }
}
impl KeyField for Timestamp {}

impl Field for String {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn from_value(value: Value) -> Result<Self, RowError> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(wrong("text", &other)),
        }
    }
}
impl KeyField for String {}

macro_rules! id_fields {
    ($($type:ty),+) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::Id;
            fn to_value(&self) -> Value {
                Value::Id(self.uuid())
            }
            fn from_value(value: Value) -> Result<Self, RowError> {
                match value {
                    Value::Id(id) => Ok(Self::new(id)),
                    other => Err(wrong(stringify!($type), &other)),
                }
            }
        }
        impl KeyField for $type {}
    )+};
}
id_fields!(FacilityId, VisitId, GrantId, ReservationId, PaymentId);

macro_rules! parsed_fields {
    ($($type:ty: $parse:expr),+ $(,)?) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::Text;
            fn to_value(&self) -> Value {
                Value::Text(self.as_str().to_owned())
            }
            fn from_value(value: Value) -> Result<Self, RowError> {
                let text = String::from_value(value)?;
                $parse(&text).ok_or_else(|| RowError(format!("expected {}", stringify!($type))))
            }
        }
    )+};
}
parsed_fields! {
    OperatorId: |text| Self::try_new(text).ok(),
    AreaId: |text| Self::try_new(text).ok(),
    LevelId: |text| Self::try_new(text).ok(),
    PoolId: |text| Self::try_new(text).ok(),
    SpotId: |text| Self::try_new(text).ok(),
    SpotKind: |text| Self::try_new(text).ok(),
    LaneId: |text| Self::try_new(text).ok(),
    Code: |text| Self::try_new(text).ok(),
    Currency: Self::try_new,
    Zone: Self::try_new,
}
/// Hidden from logs, as in the domain.
impl Field for MatchKey {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.0.clone())
    }
    fn from_value(value: Value) -> Result<Self, RowError> {
        String::from_value(value).map(Self)
    }
}
impl KeyField for OperatorId {}
impl KeyField for AreaId {}
impl KeyField for PoolId {}
impl KeyField for SpotId {}
impl KeyField for LaneId {}
impl KeyField for Currency {}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Field::to_value)
    }
    fn from_value(value: Value) -> Result<Self, RowError> {
        match value {
            Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// A structure kept as JSON text. Lists stand in the order their events gave them, maps are sorted: equal
/// contents give equal text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> std::ops::Deref for Json<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
impl<T> std::ops::DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Serialize + DeserializeOwned> Field for Json<T> {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        // None of the domain's types fails to serialise: they have text keys and no floats.
        serde_json::to_string(&self.0).map_or(Value::Null, Value::Text)
    }
    fn from_value(value: Value) -> Result<Self, RowError> {
        let text = String::from_value(value)?;
        serde_json::from_str(&text).map(Self).map_err(|error| RowError(octocity_log::json_fault(&error)))
    }
}

/// Gives enums without fields, serialised as one word, a text column of that word.
macro_rules! word_fields {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::row::Field for $type {
            const KIND: $crate::row::Kind = $crate::row::Kind::Text;
            fn to_value(&self) -> $crate::row::Value {
                match serde_json::to_value(self) {
                    Ok(serde_json::Value::String(word)) => $crate::row::Value::Text(word),
                    _ => $crate::row::Value::Null,
                }
            }
            fn from_value(value: $crate::row::Value) -> Result<Self, $crate::row::RowError> {
                let word = serde_json::Value::String(String::from_value(value)?);
                serde_json::from_value(word).map_err(|error| $crate::row::RowError(octocity_log::json_fault(&error)))
            }
        }
    )+};
}
pub(crate) use word_fields;

word_fields!(
    octocity_domain::parking::AdmissionMode,
    octocity_domain::parking::EstimateBasis,
    octocity_domain::parking::Presumption,
    octocity_domain::reservations::ReservationEnd,
);

impl<A: KeyField> Key for (A,) {
    fn to_values(&self) -> Vec<Value> {
        vec![self.0.to_value()]
    }
}
impl<A: KeyField, B: KeyField> Key for (A, B) {
    fn to_values(&self) -> Vec<Value> {
        vec![self.0.to_value(), self.1.to_value()]
    }
}
impl<A: KeyField, B: KeyField, C: KeyField> Key for (A, B, C) {
    fn to_values(&self) -> Vec<Value> {
        vec![self.0.to_value(), self.1.to_value(), self.2.to_value()]
    }
}

/// Declares a row struct, its key and its table in one place.
macro_rules! row {
    (
        $(#[$doc:meta])*
        pub struct $name:ident in $table:literal, indexes $indexes:expr;
        key { $($(#[$key_doc:meta])* $key:ident: $key_type:ty,)+ }
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$key_doc])* pub $key: $key_type,)+
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::row::Row for $name {
            type Key = ($($key_type,)+);
            const TABLE: &'static $crate::row::Table = &$crate::row::Table {
                name: $table,
                columns: &[
                    $($crate::row::Column {
                        name: stringify!($key),
                        kind: <$key_type as $crate::row::Field>::KIND,
                        nullable: false,
                    },)+
                    $($crate::row::Column {
                        name: stringify!($field),
                        kind: <$type as $crate::row::Field>::KIND,
                        nullable: <$type as $crate::row::Field>::NULLABLE,
                    },)*
                ],
                key_columns: [$(stringify!($key)),+].len(),
                indexes: $indexes,
            };
            fn key(&self) -> Self::Key {
                ($(self.$key.clone(),)+)
            }
            fn to_values(&self) -> Vec<$crate::row::Value> {
                vec![
                    $($crate::row::Field::to_value(&self.$key),)+
                    $($crate::row::Field::to_value(&self.$field),)*
                ]
            }
            fn from_values(values: Vec<$crate::row::Value>) -> Result<Self, $crate::row::RowError> {
                let mut values = values.into_iter();
                let mut next = || {
                    values.next().ok_or_else(|| $crate::row::RowError("a column is missing".to_owned()))
                };
                Ok(Self {
                    $($key: <$key_type as $crate::row::Field>::from_value(next()?)?,)+
                    $($field: <$type as $crate::row::Field>::from_value(next()?)?,)*
                })
            }
        }
    };
}
pub(crate) use row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_value_is_not_repeated() {
        let plate = || Value::Text("\"B-XY 1234\"".to_owned());
        let told = [
            u32::from_value(plate()).unwrap_err(),
            Json::<Vec<String>>::from_value(plate()).unwrap_err(),
            octocity_domain::parking::AdmissionMode::from_value(plate()).unwrap_err(),
        ];
        for error in told {
            assert!(!error.to_string().contains("1234"), "{error}");
        }
    }
}
