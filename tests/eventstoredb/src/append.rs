//! The calls of the service, and what an append answers.

use std::pin::Pin;

use tonic::codegen::tokio_stream::Stream;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::faults::{AppendFault, unavailable};
use crate::messages::streams::append_req::{self, Content, ProposedMessage, options::ExpectedStreamRevision};
use crate::messages::streams::append_resp::{
    self, Success, WrongExpectedVersion, success, wrong_expected_version,
};
use crate::messages::streams::streams_server::Streams;
use crate::messages::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
    TombstoneReq, TombstoneResp,
};
use crate::proposal::{Answer, Expected, Proposal};
use crate::{MAX_APPEND_BYTES, Node};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Streams for Node {
    type ReadStream = Answers<ReadResp>;
    type BatchAppendStream = Answers<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        self.admit(request.metadata(), false)?;
        self.faults.read()?;
        let options = request.into_inner().options.ok_or_else(|| Status::invalid_argument("no options"))?;
        Ok(Response::new(self.answer_read(options)?))
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        self.admit(request.metadata(), true)?;
        let (options, events) = proposed(request.into_inner()).await?;
        let fault = self.faults.next_append();
        if fault == Some(AppendFault::Unavailable) {
            return Err(unavailable());
        }
        let expected = options.expected_stream_revision.ok_or_else(|| Status::unknown("no expectation"))?;
        let name = options.stream_identifier.unwrap_or_default().stream_name;
        let (reply, answer) = tokio::sync::oneshot::channel();
        let stream = String::from_utf8_lossy(&name).into_owned();
        let proposal = Proposal { stream, expected: expectation(&expected), events, reply };
        self.proposals.send(proposal).map_err(|_| unavailable())?;
        let answer = answer.await.map_err(|_| unavailable())?;
        match fault {
            None | Some(AppendFault::Unavailable) => answered(answer, &expected),
            Some(AppendFault::AnswerLost) => Err(unavailable()),
            Some(AppendFault::TimedOutAfter) => Err(Status::aborted("Operation timed out")),
            Some(AppendFault::Silence) => std::future::pending().await,
        }
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("this server deletes nothing"))
    }

    async fn tombstone(&self, _: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        Err(Status::unimplemented("this server deletes nothing"))
    }

    async fn batch_append(
        &self,
        _: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        Err(Status::unimplemented("this server takes one append a call"))
    }
}

impl Node {
    fn admit(&self, metadata: &MetadataMap, writes: bool) -> Result<(), Status> {
        if let Some((user, password)) = &self.options.credentials {
            let wanted = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
            if metadata.get("authorization").is_none_or(|given| given != wanted.as_str()) {
                return Err(Status::unauthenticated("Access Denied"));
            }
        }
        self.faults.leads(metadata, writes)
    }
}

async fn proposed(
    mut requests: Streaming<AppendReq>,
) -> Result<(append_req::Options, Vec<ProposedMessage>), Status> {
    let first = requests.message().await?.and_then(|request| request.content);
    let Some(Content::Options(options)) = first else { return Err(Status::unknown("options come first")) };
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(request) = requests.message().await? {
        let Some(Content::ProposedMessage(event)) = request.content else {
            return Err(Status::unknown("events come after the options"));
        };
        let required = |name: &str| {
            let missing =
                || Status::invalid_argument(format!("Required Metadata Property '{name}' is missing"));
            event.metadata.get(name).ok_or_else(missing)
        };
        required("content-type")?;
        bytes += event.data.len() + event.custom_metadata.len() + 2 * required("type")?.len();
        if bytes > MAX_APPEND_BYTES {
            return Err(too_large());
        }
        events.push(event);
    }
    Ok((options, events))
}

fn too_large() -> Status {
    let mut trailers = MetadataMap::new();
    trailers.insert("exception", MetadataValue::from_static("maximum-append-size-exceeded"));
    let message = format!("Maximum Append Size of {MAX_APPEND_BYTES} Exceeded.");
    Status::with_metadata(Code::InvalidArgument, message, trailers)
}

fn expectation(expected: &ExpectedStreamRevision) -> Expected {
    match expected {
        ExpectedStreamRevision::Revision(revision) => Expected::Revision(*revision),
        ExpectedStreamRevision::NoStream(()) => Expected::NoStream,
        ExpectedStreamRevision::Any(()) => Expected::Any,
        ExpectedStreamRevision::StreamExists(()) => Expected::Exists,
    }
}

fn answered(answer: Answer, expected: &ExpectedStreamRevision) -> Result<Response<AppendResp>, Status> {
    let result = match answer {
        Answer::Stored { revision, commit, prepare } => {
            let position = append_resp::Position { commit_position: commit, prepare_position: prepare };
            append_resp::Result::Success(Success {
                current_revision_option: Some(success::CurrentRevisionOption::CurrentRevision(revision)),
                position_option: Some(success::PositionOption::Position(position)),
            })
        }
        Answer::WrongVersion { current } => {
            append_resp::Result::WrongExpectedVersion(wrong(current, expected))
        }
        Answer::InvalidTransaction => {
            let mut trailers = MetadataMap::new();
            trailers.insert("exception", MetadataValue::from_static("invalid-transaction"));
            return Err(Status::with_metadata(Code::InvalidArgument, "Invalid Transaction", trailers));
        }
    };
    Ok(Response::new(AppendResp { result: Some(result) }))
}

fn wrong(current: Option<u64>, expected: &ExpectedStreamRevision) -> WrongExpectedVersion {
    use wrong_expected_version::{CurrentRevisionOption as Current, ExpectedRevisionOption as Wanted};
    WrongExpectedVersion {
        current_revision_option: Some(current.map_or(Current::CurrentNoStream(()), Current::CurrentRevision)),
        expected_revision_option: Some(match expected {
            ExpectedStreamRevision::Revision(revision) => Wanted::ExpectedRevision(*revision),
            ExpectedStreamRevision::NoStream(()) => Wanted::ExpectedNoStream(()),
            ExpectedStreamRevision::Any(()) => Wanted::ExpectedAny(()),
            ExpectedStreamRevision::StreamExists(()) => Wanted::ExpectedStreamExists(()),
        }),
        ..WrongExpectedVersion::default()
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[value]) } else { '=' });
        }
    }
    text
}
