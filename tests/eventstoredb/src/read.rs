//! What a read answers: one stream or `$all`, both ways, at most so many.

use std::pin::Pin;

use tonic::Status;
use tonic::codegen::tokio_stream::Stream;

use crate::Node;
use crate::messages::StreamIdentifier;
use crate::messages::streams::ReadResp;
use crate::messages::streams::read_req::Options;
use crate::messages::streams::read_req::options::all_options::AllOption;
use crate::messages::streams::read_req::options::stream_options::RevisionOption;
use crate::messages::streams::read_req::options::{CountOption, FilterOption, StreamOption};
use crate::messages::streams::read_resp::read_event::{Position, RecordedEvent};
use crate::messages::streams::read_resp::{Content, ReadEvent, StreamNotFound};
use crate::selection::Selection;
use crate::store::Place;

/// How many events are looked at at once, between which others may go.
pub const PAGE: usize = 256;

pub type Responses = Pin<Box<dyn Stream<Item = Result<ReadResp, Status>> + Send>>;

/// A read of the given size, from a place on in one direction.
struct Walk {
    /// One stream's number and name, or `$all`.
    stream: Option<(u32, String)>,
    /// Forwards: the first to look at. Backwards: the one after it.
    from: usize,
    backwards: bool,
    count: u64,
    selection: Selection,
    /// Whether the reader wants to hear where a stream ends.
    tells_ends: bool,
}

impl Node {
    pub fn answer_read(&self, options: Options) -> Result<Responses, Status> {
        let (selection, interval) = match &options.filter_option {
            Some(FilterOption::Filter(filter)) => Selection::try_new(filter)?,
            Some(FilterOption::NoFilter(())) => (Selection::All, u32::MAX),
            None => return Err(Status::invalid_argument("The combination of options is invalid.")),
        };
        let backwards = options.read_direction == 1;
        let tells_ends = options.control_option.is_some_and(|control| control.compatibility >= 1);
        match (options.stream_option, options.count_option) {
            (Some(StreamOption::All(all)), Some(CountOption::Subscription(_))) => {
                let after = self.after(all.all_option)?;
                Ok(self.subscribe(None, after, selection, interval))
            }
            (Some(StreamOption::Stream(stream)), Some(CountOption::Subscription(_))) => {
                let after =
                    self.after_revision(&name_of(stream.stream_identifier.as_ref()), stream.revision_option);
                let name = name_of(stream.stream_identifier.as_ref());
                Ok(self.subscribe(Some(name), after, Selection::All, u32::MAX))
            }
            (Some(StreamOption::All(all)), Some(CountOption::Count(count))) => {
                let from = self.at_position(all.all_option)?;
                Ok(self.walk(Walk { stream: None, from, backwards, count, selection, tells_ends: false }))
            }
            (Some(StreamOption::Stream(stream)), Some(CountOption::Count(count))) => {
                let name = name_of(stream.stream_identifier.as_ref());
                let Some(number) = self.visible_stream(&name) else { return Ok(not_found(name)) };
                let from = match stream.revision_option {
                    Some(RevisionOption::Revision(revision)) => {
                        usize::try_from(revision).unwrap_or(usize::MAX).saturating_add(usize::from(backwards))
                    }
                    Some(RevisionOption::End(())) => usize::MAX,
                    Some(RevisionOption::Start(())) | None => usize::from(backwards),
                };
                let stream = Some((number, name));
                Ok(self.walk(Walk { stream, from, backwards, count, selection, tells_ends }))
            }
            _ => Err(Status::invalid_argument("The combination of options is invalid.")),
        }
    }

    /// A stream of which an event is on the disk.
    fn visible_stream(&self, name: &str) -> Option<u32> {
        let committed = *self.store.committed().borrow();
        let index = self.store.index();
        let number = index.stream(name)?;
        index.streams[number as usize].first().is_some_and(|place| *place < committed).then_some(number)
    }

    /// Inclusive forwards, exclusive backwards.
    fn at_position(&self, from: Option<AllOption>) -> Result<usize, Status> {
        match from {
            Some(AllOption::Position(position)) => self.place_at(position.commit_position),
            Some(AllOption::End(())) => Ok(usize::MAX),
            Some(AllOption::Start(())) | None => Ok(0),
        }
    }

    /// A subscription begins after the position that it names.
    fn after(&self, from: Option<AllOption>) -> Result<usize, Status> {
        match from {
            Some(AllOption::Position(position)) if position.commit_position > 0 => {
                Ok(self.place_at(position.commit_position)? + 1)
            }
            Some(AllOption::End(())) => Ok(*self.store.committed().borrow()),
            _ => Ok(0),
        }
    }

    fn after_revision(&self, name: &str, from: Option<RevisionOption>) -> usize {
        let index = self.store.index();
        let places = index.stream(name).map_or(&[][..], |number| &index.streams[number as usize]);
        match from {
            Some(RevisionOption::Revision(revision)) => {
                places.get(revision as usize).map_or(index.places.len(), |place| place + 1)
            }
            Some(RevisionOption::End(())) => *self.store.committed().borrow(),
            Some(RevisionOption::Start(())) | None => 0,
        }
    }

    fn place_at(&self, position: u64) -> Result<usize, Status> {
        let index = self.store.index();
        let found = index.places.binary_search_by_key(&position, |place| place.position);
        found.map_err(|_| Status::unknown("Trying to read from an invalid position."))
    }

    fn walk(&self, walk: Walk) -> Responses {
        let node = self.clone();
        Box::pin(async_stream::try_stream! {
            let (mut next, mut left) = (walk.from, walk.count);
            loop {
                let (places, then) = node.page(&walk, next, left);
                left -= places.len() as u64;
                for place in places {
                    yield node.event(place)?;
                }
                match then {
                    Some(then) if left > 0 => next = then,
                    _ => break,
                }
            }
            if left > 0 && walk.tells_ends && let Some((number, _)) = walk.stream {
                let last = node.store.index().last_of(number).map_or(0, |last| last.revision);
                yield content(Content::LastStreamPosition(last));
            }
        })
    }

    /// What of the next events is wanted, and from where to look on; None: there is nothing more.
    fn page(&self, walk: &Walk, from: usize, left: u64) -> (Vec<Place>, Option<usize>) {
        let committed = *self.store.committed().borrow();
        let index = self.store.index();
        let places = walk.stream.as_ref().map(|(number, _)| &index.streams[*number as usize]);
        let end = places.map_or(committed, |places| places.partition_point(|place| *place < committed));
        let (first, last) = match walk.backwards {
            true => (from.min(end).saturating_sub(PAGE), from.min(end)),
            false => (from.min(end), from.saturating_add(PAGE).min(end)),
        };
        let at = |number: usize| index.places[places.map_or(number, |places| places[number])];
        let wanted = |place: &Place| walk.selection.takes(&index, place);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let found = match walk.backwards {
            true => (first..last).rev().map(at).filter(wanted).take(left).collect(),
            false => (first..last).map(at).filter(wanted).take(left).collect(),
        };
        let then = if walk.backwards { first } else { last };
        let more = if walk.backwards { first > 0 } else { last < end };
        (found, more.then_some(then))
    }

    pub fn event(&self, place: Place) -> Result<ReadResp, Status> {
        let record: RecordedEvent =
            self.store.record(place).map_err(|error| Status::data_loss(error.to_string()))?;
        let position = Some(Position::CommitPosition(place.position));
        Ok(content(Content::Event(ReadEvent { event: Some(record), link: None, position })))
    }
}

pub fn content(content: Content) -> ReadResp {
    ReadResp { content: Some(content) }
}

fn name_of(identifier: Option<&StreamIdentifier>) -> String {
    identifier.map_or_else(String::new, |stream| String::from_utf8_lossy(&stream.stream_name).into_owned())
}

fn not_found(name: String) -> Responses {
    let stream_identifier = Some(StreamIdentifier { stream_name: name.into_bytes() });
    let told = content(Content::StreamNotFound(StreamNotFound { stream_identifier }));
    Box::pin(async_stream::stream! { yield Ok(told) })
}
