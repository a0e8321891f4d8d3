//! The whole system under many seeds. `OCTOCITY_SEEDS=7` or `OCTOCITY_SEEDS=100..200` runs others, and
//! `OCTOCITY_STEPS` others than 400 steps each.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ops::Range;

use octocity_tests::simulation::whole::{self, Summary};

fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("OCTOCITY_SEEDS") else { return 1..61 };
    let number = |text: &str| text.parse().expect("OCTOCITY_SEEDS is a number, or a range such as 1..61");
    match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&asked)..number(&asked) + 1,
    }
}

fn steps() -> usize {
    std::env::var("OCTOCITY_STEPS").map_or(400, |text| text.parse().expect("OCTOCITY_STEPS is a number"))
}

/// What happens seldom, or only by hand: everything else must have happened under some seed.
const NOT_SENT: [&str; 4] = ["LayoutChanged", "ChargeAdjusted", "StayRetimed", "EventSkipped"];

/// The names of all event types: those of the schemas of stored events.
fn event_types() -> Vec<String> {
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/events");
    let names = std::fs::read_dir(schemas).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| Some(name.to_str()?.split('.').nth(1)?.to_owned())).collect()
}

fn add(sum: &mut Summary, one: &Summary) {
    sum.sent += one.sent;
    sum.accepted += one.accepted;
    sum.repeated += one.repeated;
    sum.crashes += one.crashes;
    sum.faults += one.faults;
    sum.digest ^= one.digest;
    for (event_type, count) in &one.events {
        *sum.events.entry(event_type.clone()).or_default() += count;
    }
}

#[test]
fn every_invariant_holds_under_every_seed() {
    let (mut broken, mut sum) = (Vec::new(), Summary::default());
    for seed in seeds() {
        match whole::run(seed, steps()) {
            Ok(summary) => add(&mut sum, &summary),
            Err(sentence) => broken.push(sentence),
        }
    }
    let again = "\nto see one again: OCTOCITY_SEEDS=<seed> cargo test -p octocity-tests --test simulation";
    assert!(broken.is_empty(), "{} seeds break an invariant\n{}{again}", broken.len(), broken.join("\n\n"));
    println!("{sum:#?}");
    if seeds().count() > 20 {
        let mut missing = event_types();
        missing.retain(|name| !NOT_SENT.contains(&name.as_str()) && !sum.events.contains_key(name));
        assert!(missing.is_empty(), "the seeds never met {missing:?}");
        assert!(sum.crashes > 0 && sum.faults > 0 && sum.repeated > 0, "nothing went wrong: {sum:?}");
    }
}

/// Otherwise a seed that broke something could not be seen again.
#[test]
fn one_seed_is_one_history() {
    for seed in 1..6 {
        let digests = [(); 4].map(|()| whole::run(seed, 200).map(|summary| summary.digest));
        assert!(digests.iter().all(|digest| *digest == digests[0]), "seed {seed}: {digests:?}");
    }
}
