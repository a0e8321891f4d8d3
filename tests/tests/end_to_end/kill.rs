//! kill -9 under load: what was acknowledged is found again, and its repeat is answered alike.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use octocity_tests::client::Client;
use octocity_tests::simulation::random::Random;
use octocity_tests::stage::*;
use serde_json::{Value, json};

use crate::{position_of_repeat, stage};

const ROUNDS: usize = 4;
const WRITERS: usize = 8;
/// How many commands a round has at least, however slow the machine is.
const COMMANDS: usize = 40;

/// A command that was sent, and what came back.
struct Sent {
    field: &'static str,
    input: Value,
    reply: Option<Value>,
}

/// Writers that send until they are stopped, each command under an id of its own.
fn write(client: &Client, facility: &str, stop: &AtomicBool, sent: &Mutex<Vec<Sent>>, writer: &str) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let credential = plate(&format!("{writer} {number}"));
        let (field, more) = match number % 3 {
            0 => ("enterGate", json!({ "lane": "column", "credentials": [credential] })),
            1 => {
                let happened_at = now_plus(0);
                let seen = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": happened_at });
                ("recordPassage", seen)
            }
            _ => {
                // Refusals are replies too.
                ("enterGate", json!({ "lane": "nowhere", "credentials": [credential] }))
            }
        };
        let input = input(facility, more);
        let answer = client.try_graphql(&mutation(field), json!({ "input": input }));
        let reply = answer.filter(|answer| answer.body["errors"].is_null());
        let reply = reply.map(|answer| answer.body["data"][field].clone());
        sent.lock().unwrap().push(Sent { field, input, reply });
    }
}

/// Lets writers write for a while, and kills the server under them.
fn round(number: usize, running: &mut Running, facility: &str, random: &Random) -> Vec<Sent> {
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (client, facility) = (running.client.clone(), facility.to_owned());
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            // No vehicle comes twice: it would be presumed to have left.
            let writer = format!("R{number} W{writer}");
            std::thread::spawn(move || write(&client, &facility, &stop, &sent, &writer))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300 + random.below(700)));
    eventually("commands are answered", || sent.lock().unwrap().len() >= COMMANDS);
    running.server.kill();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }
    Arc::into_inner(sent).unwrap().into_inner().unwrap()
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let seed = std::env::var("OCTOCITY_SEED").map_or(1, |text| text.parse().expect("a number"));
    println!("OCTOCITY_SEED={seed}");
    let random = Random::new(seed);
    let stage = stage();
    let mut running = stage.start();
    let facility = opened(&running, 1_000_000);
    let mut acknowledged = 0;
    let mut inside = 0;
    for number in 0..ROUNDS {
        let sent = round(number, &mut running, &facility, &random);
        running = stage.start();
        let mut last = Value::Null;
        for Sent { field, input, reply } in sent {
            let again = running.sends(field, &input);
            last = again["position"].clone();
            if let Some(mut reply) = reply {
                acknowledged += 1;
                reply["repeated"] = json!(true);
                reply["position"] = position_of_repeat(&reply["position"], &last);
                assert_eq!(again, reply, "the repeat of {field} {input} is answered alike");
            }
            inside += i64::from(again["refusal"].is_null());
            let third = running.sends(field, &input);
            assert_eq!((&third["repeated"], &third["position"]), (&json!(true), &again["position"]));
        }
        // Each accepted command let one vehicle in, and only one, whether its reply was lost or not.
        assert_eq!(running.occupancy(&facility, &last)["inside"].as_i64(), Some(inside));
    }
    assert!(acknowledged > 100, "only {acknowledged} commands were acknowledged: nothing was under load");
    running.server.stop().unwrap();
    let kept = stage.hashes();
    assert!(stage.command(&["rebuild"]).status.success());
    assert_eq!(stage.hashes(), kept, "the rows are what a rebuild gives");
}
