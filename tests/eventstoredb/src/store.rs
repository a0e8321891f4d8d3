//! Its events: an append-only file, read through once when it is opened, and an index of it in memory.
//!
//! - **record**: one event, framed by its length and a checksum. Its position is its offset in the file.
//! - **batch**: the records of one append, of which only the last says so. One that does not end was never answered;
//!   it is cut off when the file is opened again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::messages::streams::read_resp::read_event::RecordedEvent;
use crate::proposal::{Answer, Proposal, new_record, uuid_of};

/// So that no record stands at position 0, as in EventStoreDB, where it is the log's own first record.
const MAGIC: &[u8; 8] = b"esdouble";
/// Length, checksum, and whether it ends its batch.
const HEAD: usize = 9;

/// Where one event stands; its content is read from the file.
#[derive(Clone, Copy)]
pub struct Place {
    pub position: u64,
    pub length: u32,
    pub stream: u32,
    pub revision: u64,
    pub event_type: u32,
    pub id: Uuid,
}

#[derive(Default)]
pub struct Index {
    /// In the order of the log.
    pub places: Vec<Place>,
    pub stream_names: Vec<String>,
    pub event_types: Vec<String>,
    /// For each stream, by its number, where its events stand in `places`.
    pub streams: Vec<Vec<usize>>,
    numbers: HashMap<String, u32>,
    type_numbers: HashMap<String, u32>,
    /// The stream and revision of every event id, for appends that expect any revision.
    ids: HashMap<Uuid, (u32, u64)>,
}

impl Index {
    pub fn stream(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub fn last_of(&self, stream: u32) -> Option<Place> {
        self.streams[stream as usize].last().map(|place| self.places[*place])
    }

    pub fn by_id(&self, id: Uuid) -> Option<(u32, u64)> {
        self.ids.get(&id).copied()
    }

    pub fn number(&mut self, name: &str) -> u32 {
        let next = self.stream_names.len() as u32;
        let number = *self.numbers.entry(name.to_owned()).or_insert(next);
        if number == next {
            self.stream_names.push(name.to_owned());
            self.streams.push(Vec::new());
        }
        number
    }

    fn add(&mut self, position: u64, length: u32, record: &RecordedEvent) {
        let stream = self.number(&name_of(record));
        let event_type = record.metadata.get("type").cloned().unwrap_or_default();
        let next = self.event_types.len() as u32;
        let number = *self.type_numbers.entry(event_type.clone()).or_insert(next);
        if number == next {
            self.event_types.push(event_type);
        }
        let id = record.id.as_ref().map(uuid_of).unwrap_or_default();
        let revision = record.stream_revision;
        self.streams[stream as usize].push(self.places.len());
        self.ids.insert(id, (stream, revision));
        self.places.push(Place { position, length, stream, revision, event_type: number, id });
    }
}

fn name_of(record: &RecordedEvent) -> String {
    let name = record.stream_identifier.as_ref().map_or(&[][..], |stream| &stream.stream_name);
    String::from_utf8_lossy(name).into_owned()
}

pub struct Store {
    file: File,
    index: Mutex<Index>,
    /// How many events are on the disk; readers see no more.
    committed: watch::Sender<usize>,
}

impl Store {
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.try_lock()?;
        if file.metadata()?.len() == 0 {
            file.write_all(MAGIC)?;
            file.sync_all()?;
        }
        let (index, end) = recover(&file)?;
        file.set_len(end)?;
        let committed = watch::Sender::new(index.places.len());
        Ok(Self { file, index: Mutex::new(index), committed })
    }

    /// Appends what comes until all senders are gone; what waits together is one write and one sync.
    pub fn write(self: &Arc<Self>, mut proposals: mpsc::UnboundedReceiver<Proposal>) {
        let mut end = self.file.metadata().map_or(0, |metadata| metadata.len());
        while let Some(first) = proposals.blocking_recv() {
            let mut group = vec![first];
            while let Ok(next) = proposals.try_recv() {
                group.push(next);
            }
            let mut bytes = Vec::new();
            let answers: Vec<Answer> =
                group.iter().map(|proposal| self.store(proposal, end, &mut bytes)).collect();
            if let Err(error) = (&self.file).write_all(&bytes).and_then(|()| self.file.sync_data()) {
                // What the index says is no longer what the disk has; only opening it again can tell.
                eprintln!("the events could not be written, so the server stops: {error}");
                std::process::exit(1);
            }
            end += bytes.len() as u64;
            self.committed.send_replace(self.index().places.len());
            for (proposal, answer) in group.into_iter().zip(answers) {
                // Who went away asks again.
                let _ = proposal.reply.send(answer);
            }
        }
    }

    fn store(&self, proposal: &Proposal, end: u64, bytes: &mut Vec<u8>) -> Answer {
        let mut index = self.index();
        let stream = index.number(&proposal.stream);
        if let Some(answer) = proposal.check(&index, stream) {
            return answer;
        }
        let first = end + bytes.len() as u64;
        let mut last = (0, first);
        for (number, event) in proposal.events.iter().enumerate() {
            let position = end + bytes.len() as u64;
            let revision = index.last_of(stream).map_or(0, |last| last.revision + 1);
            let record = new_record(&proposal.stream, revision, position, event);
            let payload = record.encode_to_vec();
            let is_last = number + 1 == proposal.events.len();
            bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&checksum(&payload).to_le_bytes());
            bytes.push(u8::from(is_last));
            bytes.extend_from_slice(&payload);
            index.add(position, payload.len() as u32, &record);
            last = (revision, position);
        }
        Answer::Stored { revision: last.0, commit: last.1, prepare: first }
    }

    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn committed(&self) -> watch::Receiver<usize> {
        self.committed.subscribe()
    }

    pub fn record(&self, place: Place) -> std::io::Result<RecordedEvent> {
        let mut payload = vec![0; place.length as usize];
        self.file.read_exact_at(&mut payload, place.position + HEAD as u64)?;
        RecordedEvent::decode(&payload[..]).map_err(std::io::Error::other)
    }
}

/// Reads the file through: what it holds, and where its last whole batch ends.
fn recover(file: &File) -> std::io::Result<(Index, u64)> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    reader.seek(SeekFrom::Start(0))?;
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(std::io::Error::other("the file is not one of this server"));
    }
    let mut index = Index::default();
    let mut batch = Vec::new();
    let (mut position, mut end) = (MAGIC.len() as u64, MAGIC.len() as u64);
    while let Some((record, length, is_last)) = next_record(&mut reader) {
        batch.push((position, length, record));
        position += HEAD as u64 + u64::from(length);
        if is_last {
            batch.drain(..).for_each(|(position, length, record)| index.add(position, length, &record));
            end = position;
        }
    }
    Ok((index, end))
}

/// None where the file ends, or holds what was cut off in the middle.
fn next_record(reader: &mut impl Read) -> Option<(RecordedEvent, u32, bool)> {
    let mut head = [0; HEAD];
    reader.read_exact(&mut head).ok()?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let sum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let mut payload = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut payload).ok()?;
    let whole = payload.len() == length as usize && checksum(&payload) == sum;
    whole.then(|| RecordedEvent::decode(&payload[..]).ok())?.map(|record| (record, length, head[8] == 1))
}

/// FNV-1a: enough to tell a torn end.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
