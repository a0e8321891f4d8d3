//! Acknowledged means synced; a disk that fails or is full loses nothing that was acknowledged.

use std::sync::Barrier;

use octocity_tests::disk::Disk;
use octocity_tests::stage::*;
use serde_json::{Value, json};

fn on_a_disk() -> (Stage, Disk, Running) {
    on_a_disk_that_rules("log.db")
}

fn on_a_disk_that_rules(file: &str) -> (Stage, Disk, Running) {
    let stage = Stage::default();
    let disk = Disk::new(stage.folder.path());
    let launch = disk.under(stage.launch(), file);
    let running = Running::of(launch.start().unwrap());
    (stage, disk, running)
}

fn passage(facility: &str) -> Value {
    input(facility, json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) }))
}

#[test]
fn every_acknowledgement_follows_a_sync_of_the_log() {
    let (_stage, disk, running) = on_a_disk();
    let facility = opened(&running, 1000);
    for _ in 0..50 {
        let before = disk.syncs();
        running.does("recordPassage", &passage(&facility));
        assert!(disk.syncs() > before, "a command was acknowledged without a sync");
    }
    let refused = input(&facility, json!({ "lane": "nowhere", "credentials": [plate("A 1")] }));
    let before = disk.syncs();
    running.refused("enterGate", &refused);
    assert!(disk.syncs() > before, "a refusal is a reply too, and stands on the disk before it is given");
}

#[test]
fn many_waiting_commands_share_one_sync() {
    let (_stage, disk, running) = on_a_disk();
    let facility = opened(&running, 100_000);
    let (callers, each) = (64, 6);
    let before = disk.syncs();
    let barrier = Barrier::new(callers);
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..each {
                    running.does("recordPassage", &passage(&facility));
                }
            });
        }
    });
    let (syncs, commands) = (disk.syncs() - before, (callers * each) as u64);
    println!("{commands} commands of {callers} callers took {syncs} syncs");
    assert!(syncs < commands, "{commands} commands of {callers} callers took {syncs} syncs");
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_its_repeat_has_one_effect() {
    let (stage, disk, running) = on_a_disk();
    let facility = opened(&running, 1000);
    let safe = running.does("recordPassage", &passage(&facility));
    let unlucky = passage(&facility);
    // Every try at it fails until the disk is well again.
    disk.fail_syncs(1_000_000);
    assert_eq!(running.errs("recordPassage", &unlucky), "LOG_UNAVAILABLE");
    assert!(disk.failing() < 1_000_000, "a sync was tried");
    disk.fail_syncs(0);
    let again = || running.client.graphql(&mutation("recordPassage"), json!({ "input": unlucky }));
    eventually("the log takes commands again", || again().body["errors"].is_null());
    let done = running.does("recordPassage", &unlucky);
    assert_eq!(running.occupancy(&facility, &done["position"])["inside"], 2);
    drop(running);
    let running = stage.start();
    assert_eq!(running.does("recordPassage", &unlucky)["position"], done["position"]);
    assert_eq!(running.occupancy(&facility, &done["position"])["inside"], 2);
    assert_ne!(safe["position"], done["position"]);
}

#[test]
fn a_full_disk_is_said_clearly_and_harms_nothing() {
    let (stage, disk, running) = on_a_disk();
    let facility = opened(&running, 1000);
    running.does("recordPassage", &passage(&facility));
    let unlucky = passage(&facility);
    disk.leave_room(Some(0));
    assert_eq!(running.errs("recordPassage", &unlucky), "LOG_UNAVAILABLE");
    assert!(disk.refused() > 0, "a write was tried");
    let facilities = running.query("{ facilities { totalCount } }", json!({}));
    assert_eq!(facilities["facilities"]["totalCount"], 1, "what is stored can still be read");
    disk.leave_room(None);
    let again = || running.client.graphql(&mutation("recordPassage"), json!({ "input": unlucky }));
    eventually("the log takes commands again", || again().body["errors"].is_null());
    let done = running.does("recordPassage", &unlucky);
    assert_eq!(running.occupancy(&facility, &done["position"])["inside"], 2);
    running.server.stop().unwrap();
    let doctor = stage.command(&["doctor"]);
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
}

/// Where no traffic comes that could try it, the recovery is noticed all the same.
#[test]
fn a_server_that_cannot_store_is_not_ready_until_it_can() {
    let (_stage, disk, running) = on_a_disk();
    let facility = opened(&running, 1000);
    for (begin, sentence) in [
        (&(|| disk.leave_room(Some(0))) as &dyn Fn(), "The disk is full"),
        (&|| disk.fail_syncs(1_000_000), "the last commit failed"),
    ] {
        begin();
        assert_eq!(running.errs("recordPassage", &passage(&facility)), "LOG_UNAVAILABLE");
        let tried = || (disk.refused(), disk.failing());
        let before = tried();
        eventually("the disk is tried again without a command", || tried() != before);
        let (status, said) = running.server.readiness().unwrap();
        assert!(status == 503 && said.contains(sentence) && said.ends_with('.'), "{status} {said}");
        disk.leave_room(None);
        disk.fail_syncs(0);
        eventually("it is ready again", || {
            running.server.readiness().is_some_and(|(status, _)| status == 200)
        });
        running.does("recordPassage", &passage(&facility));
    }
}

#[test]
fn a_part_that_stands_still_is_named_by_readiness() {
    for (file, part) in
        [("readmodels.db", "The read models stand still"), ("processes.db", "The processes stand still")]
    {
        let (_stage, disk, running) = on_a_disk_that_rules(file);
        let facility = opened(&running, 1000);
        disk.leave_room(Some(0));
        // A process is to let the grant lapse.
        running.does("enterGate", &input(&facility, json!({ "lane": "in", "credentials": [plate("A 1")] })));
        let says = |expected: u16, part: &str| {
            let found = running.server.readiness();
            found.is_some_and(|(status, sentence)| status == expected && sentence.contains(part))
        };
        eventually(part, || says(503, part));
        disk.leave_room(None);
        eventually("it is ready again", || says(200, "ready"));
    }
}
