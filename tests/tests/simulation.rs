//! The whole system under many seeds. `OCTOCITY_SEEDS=7` or `OCTOCITY_SEEDS=100..200` runs others, and
//! `OCTOCITY_STEPS` others than 400 steps each.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ops::Range;

use octocity_tests::simulation::whole;

fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("OCTOCITY_SEEDS") else { return 1..81 };
    let number = |text: &str| text.parse().expect("OCTOCITY_SEEDS is a number, or a range such as 1..81");
    match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&asked)..number(&asked) + 1,
    }
}

fn steps() -> usize {
    std::env::var("OCTOCITY_STEPS").map_or(400, |text| text.parse().expect("OCTOCITY_STEPS is a number"))
}

#[test]
fn every_invariant_holds_under_every_seed() {
    let mut broken = Vec::new();
    for seed in seeds() {
        match whole::run(seed, steps()) {
            Ok(summary) => println!("seed {seed}: {summary:?}"),
            Err(sentence) => broken.push(sentence),
        }
    }
    let again = "\nto see one again: OCTOCITY_SEEDS=<seed> cargo test -p octocity-tests --test simulation";
    assert!(broken.is_empty(), "{} seeds break an invariant\n{}{again}", broken.len(), broken.join("\n\n"));
}
