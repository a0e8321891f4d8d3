//! What befalls EventStoreDB while gates are under load: at the end each acknowledged command stands in the log exactly
//! once, and is answered as before.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use octocity_eventstoredb_double::{AppendFault, Cut};
use octocity_tests::stage::{Running, opened};
use octocity_tests_distributed::eventstoredb::{EventStoreDb, table};
use octocity_tests_distributed::load::{Load, check};
use octocity_tests_distributed::stage;
use octocity_tests_distributed::way::Way;

const WRITERS: usize = 8;

/// Lets gates work while `befall` does its harm, then until they are well again.
fn under_load(url: &str, server: &EventStoreDb, befall: impl FnOnce(&Load)) {
    let stage = stage(&table(url));
    let running = stage.start();
    let facility = opened(&running, 1_000_000);
    let load = Load::start(&running, &facility, WRITERS);
    more(&load, 50);
    befall(&load);
    more(&load, 100);
    let sent = load.stop();
    check(&running, &facility, &sent, &server.events());
    // A node that has nothing in memory says the same.
    running.server.stop().unwrap();
    let again: Running = stage.start();
    check(&again, &facility, &sent, &server.events());
}

/// Waits until so many more commands were answered.
#[track_caller]
fn more(load: &Load, count: usize) {
    let (begun, from) = (Instant::now(), load.acknowledged());
    while load.acknowledged() < from + count {
        assert!(begun.elapsed() < Duration::from_secs(60), "the gates stand still");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn eventstoredb_not_leader() {
    let one = EventStoreDb::start();
    let two = one.another_node();
    under_load(&one.url(), &one, |load| {
        for _ in 0..3 {
            one.faults().follow(Some(("127.0.0.1", two.address().port())));
            more(load, 30);
            one.faults().follow(None);
            two.faults().follow(Some(("127.0.0.1", one.address().port())));
            more(load, 30);
            two.faults().follow(None);
        }
    });
}

#[test]
fn eventstoredb_append_times_out_after_it_was_done() {
    let server = EventStoreDb::start();
    under_load(&server.url(), &server, |load| {
        let fault = |number: usize| match number % 6 {
            1 => Some(AppendFault::TimedOutAfter),
            3 => Some(AppendFault::AnswerLost),
            5 => Some(AppendFault::Unavailable),
            _ => None,
        };
        server.faults().appends((0..60).map(fault));
        more(load, 100);
        // No answer at all until the deadline, and then several faults in a row.
        server.faults().appends([Some(AppendFault::Silence)]);
        server.faults().appends([Some(AppendFault::TimedOutAfter); 4]);
        more(load, 100);
        // More than are tried: what was sent is answered with a fault, and its id finds out.
        server.faults().appends([Some(AppendFault::AnswerLost); 12]);
        more(load, 50);
    });
}

#[test]
fn eventstoredb_connection_cut() {
    let server = EventStoreDb::start();
    let way = Way::to(server.address());
    under_load(&format!("esdb://{}?tls=false", way.address), &server, |load| {
        for pause_millis in [0, 300, 2_000] {
            way.cut();
            sleep(Duration::from_millis(pause_millis));
            way.lead_to(server.address());
            more(load, 50);
        }
        for cut in [Cut::Clean, Cut::Unavailable] {
            server.faults().cut_subscriptions(cut);
            server.faults().fail_reads(20);
            more(load, 50);
        }
        server.faults().fail_reads(0);
    });
}
