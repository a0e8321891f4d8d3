//! Checks that several inputs share.

use async_graphql::Result;

use crate::faults::bad_input;

/// A list of at most so many.
pub fn at_most<T>(name: &str, list: Vec<T>, most: usize) -> Result<Vec<T>> {
    if list.len() > most {
        return Err(bad_input(format!("'{name}' has at most {most} entries; send fewer.")));
    }
    Ok(list)
}

/// Each of a list mapped, the first error kept.
pub fn each<T, U>(list: Vec<T>, map: impl Fn(T) -> Result<U>) -> Result<Vec<U>> {
    list.into_iter().map(map).collect()
}
