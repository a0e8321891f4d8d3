//! Old events in today's form: stored bytes never change, the reader lifts them step by step.
//!
//! - **step**: from one version of one event type to the next; pure, and kept for ever.

use std::borrow::Cow;

use octocity_domain::Category;
use serde_json::Value;

use crate::codec::json_fault;

/// Lifts one event type from version `from` to `from` + 1.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub category: Category,
    pub event_type: &'static str,
    pub from: u16,
    pub lift: fn(&mut Value),
}

/// Every step there is. To change a stored event's form: raise nothing by hand, add its step here (the version
/// written follows from it), keep the old fixture and add one of the new version.
pub const STEPS: &[Step] = &[];

/// The version that is written today of this type: 1, and one more for every step.
pub fn current_version(category: Category, event_type: &str) -> u16 {
    version_after(STEPS, category, event_type)
}

fn version_after(steps: &[Step], category: Category, event_type: &str) -> u16 {
    let of_type = steps.iter().filter(|step| step.category == category && step.event_type == event_type);
    of_type.map(|step| step.from + 1).max().unwrap_or(1)
}

/// The data in its type's newest form; the error is a reason for people.
pub(crate) fn upcast<'a>(
    steps: &[Step],
    category: Category,
    event_type: &str,
    version: u16,
    data: &'a [u8],
) -> Result<Cow<'a, [u8]>, String> {
    let newest = version_after(steps, category, event_type);
    if version == newest {
        return Ok(Cow::Borrowed(data));
    }
    if version > newest {
        return Err("it was written by a newer version; upgrade this one".to_owned());
    }
    let mut value: Value = serde_json::from_slice(data).map_err(|error| json_fault(&error))?;
    for from in version..newest {
        let step = steps
            .iter()
            .find(|step| step.category == category && step.event_type == event_type && step.from == from)
            .ok_or_else(|| format!("no step leads on from version {from}"))?;
        (step.lift)(&mut value);
    }
    serde_json::to_vec(&value).map(Cow::Owned).map_err(|error| json_fault(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name_the_lane(value: &mut Value) {
        let gate = value["gate"].take();
        *value = json!({ "lane": gate });
    }

    fn add_the_pool(value: &mut Value) {
        value["pool"] = json!("short-term");
    }

    const CHAIN: &[Step] = &[
        Step { category: Category::Parking, event_type: "Passed", from: 2, lift: add_the_pool },
        Step { category: Category::Parking, event_type: "Passed", from: 1, lift: name_the_lane },
    ];

    fn lifted(version: u16, data: &str) -> Result<Value, String> {
        upcast(CHAIN, Category::Parking, "Passed", version, data.as_bytes())
            .map(|data| serde_json::from_slice(&data).unwrap())
    }

    #[test]
    fn each_version_is_lifted_by_all_later_steps() {
        let today = json!({ "lane": "in-1", "pool": "short-term" });
        assert_eq!(lifted(1, r#"{"gate":"in-1"}"#).unwrap(), today);
        assert_eq!(lifted(2, r#"{"lane":"in-1"}"#).unwrap(), today);
        assert_eq!(lifted(3, r#"{"lane":"in-1","pool":"short-term"}"#).unwrap(), today);
    }

    #[test]
    fn what_is_newer_or_has_no_step_is_refused() {
        assert!(lifted(4, "{}").unwrap_err().contains("newer version"));
        assert!(lifted(0, "{}").unwrap_err().contains("no step"));
        assert!(lifted(1, "no json").is_err());
    }

    #[test]
    fn another_type_or_category_is_left_alone() {
        let data = br#"{"gate":"in-1"}"#;
        for (category, event_type) in [(Category::Session, "Passed"), (Category::Parking, "Left")] {
            assert_eq!(version_after(CHAIN, category, event_type), 1);
            assert_eq!(&*upcast(CHAIN, category, event_type, 1, data).unwrap(), data);
        }
        assert_eq!(version_after(CHAIN, Category::Parking, "Passed"), 3);
    }

    /// What every chain must be: from version 1 on without a hole, each step once.
    #[test]
    fn the_steps_make_whole_chains() {
        for step in STEPS {
            let same = |from| {
                let is = |other: &&Step| {
                    (other.category, other.event_type, other.from) == (step.category, step.event_type, from)
                };
                STEPS.iter().filter(is).count()
            };
            assert!((1..=step.from).all(|from| same(from) == 1), "{step:?}");
        }
    }
}
