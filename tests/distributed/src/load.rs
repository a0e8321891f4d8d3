//! Gates under load, and what must be true of it afterwards.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use octocity_log::{EventLog, Position, RecordedEvent};
use octocity_tests::client::Client;
use octocity_tests::stage::{Running, input, mutation, now_plus, plate};
use serde_json::{Value, json};

/// Between two commands of a writer: each is asked about again at the end, one by one.
const PAUSE: Duration = Duration::from_millis(20);

/// A command that was sent, and what came back, if anything did.
pub struct Sent {
    field: &'static str,
    input: Value,
    reply: Option<Value>,
}

/// Writers that send until they are stopped, each command under an id of its own.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<Sent>>>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(running: &Running, facility: &str, writers: usize) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let writers = (0..writers).map(|writer| {
            let (client, facility) = (running.client.clone(), facility.to_owned());
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || write(&client, &facility, writer, &stop, &sent))
        });
        let writers = writers.collect();
        Self { stop, sent, writers }
    }

    /// How many commands were answered so far.
    pub fn acknowledged(&self) -> usize {
        self.sent.lock().unwrap().iter().filter(|sent| sent.reply.is_some()).count()
    }

    pub fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.join().unwrap();
        }
        Arc::into_inner(self.sent).unwrap().into_inner().unwrap()
    }
}

fn write(client: &Client, facility: &str, writer: usize, stop: &AtomicBool, sent: &Mutex<Vec<Sent>>) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // No vehicle comes twice: it would be presumed to have left.
        let credentials = [plate(&format!("W{writer} {number}"))];
        let (field, more) = match number % 3 {
            0 => ("enterGate", json!({ "lane": "column", "credentials": credentials })),
            1 => ("recordPassage", json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) })),
            // Refusals are replies too.
            _ => ("enterGate", json!({ "lane": "nowhere", "credentials": credentials })),
        };
        let input = input(facility, more);
        let answer = client.try_graphql(&mutation(field), json!({ "input": input }));
        let reply = answer.filter(|answer| answer.body["errors"].is_null());
        let reply = reply.map(|answer| answer.body["data"][field].clone());
        sent.lock().unwrap().push(Sent { field, input, reply });
        std::thread::sleep(PAUSE);
    }
}

/// Each acknowledged command is answered alike again, and stands in the log exactly once; each other one at most once.
/// The rows count every vehicle once.
pub fn check(running: &Running, facility: &str, sent: &[Sent], events: &[RecordedEvent]) {
    let mut of_command: BTreeMap<String, Vec<&RecordedEvent>> = BTreeMap::new();
    for event in events {
        of_command.entry(event.meta.command_id.to_string()).or_default().push(event);
    }
    // Repeats that come at once are looked up at once.
    let checked = std::thread::scope(|scope| {
        let parts = sent.chunks(sent.len().div_ceil(64).max(1)).map(|part| {
            let of_command = &of_command;
            scope.spawn(move || {
                part.iter().map(|sent| check_one(running, sent, of_command)).collect::<Vec<_>>()
            })
        });
        let parts = parts.collect::<Vec<_>>();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect::<Vec<_>>()
    });
    let inside = checked.iter().filter(|again| again["refusal"].is_null()).count();
    let last = checked.iter().max_by_key(|again| without_position(again).1).unwrap();
    assert_eq!(running.occupancy(facility, &last["position"])["inside"].as_u64(), Some(inside as u64));
}

/// Says what its repeat was answered.
fn check_one(running: &Running, sent: &Sent, of_command: &BTreeMap<String, Vec<&RecordedEvent>>) -> Value {
    let Sent { field, input, reply } = sent;
    let stored = of_command.get(input["commandId"].as_str().unwrap()).map_or(&[][..], |events| events);
    let mut types: Vec<&str> = stored.iter().map(|event| &*event.event_type).collect();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), stored.len(), "{field} {input} stands in the log twice");
    let again = running.sends(field, input);
    if let Some(reply) = reply {
        let (first, repeat) = (without_position(reply), without_position(&again));
        assert_eq!(repeat.0, first.0, "the repeat of {field} {input}");
        assert!(repeat.1 <= first.1, "{field} {input} stands behind what its sender waits for");
        assert!(!reply["refusal"].is_null() || !stored.is_empty(), "{field} {input} is not in the log");
    }
    again
}

/// A reply, and how far into the log its sender was told to wait: in EventStoreDB to the end of its batch, which only the
/// log that appended it knows.
fn without_position(reply: &Value) -> (Value, u64) {
    let mut reply = reply.clone();
    reply["repeated"] = json!(true);
    let position = reply["position"].take();
    let value = position.as_str().and_then(|token| token.rsplit('-').next());
    (reply, u64::from_str_radix(value.unwrap(), 16).unwrap())
}

/// All of a log.
pub async fn events(log: &dyn EventLog) -> Vec<RecordedEvent> {
    let (mut events, mut after) = (Vec::new(), Position::default());
    loop {
        let page = log.read_all(after, 4096, &[], &[]).await.unwrap();
        if page.next <= after {
            return events;
        }
        after = page.next;
        events.extend(page.events);
    }
}
