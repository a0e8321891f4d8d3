//! A server with its car parks, and what their gates send.

use std::net::SocketAddr;

use octocity_tests::server::Server;
use octocity_tests::stage::{Stage, car_park, id, mutation, now_plus};
use octocity_tests_distributed::services::anew;
use octocity_tests_distributed::stage;
use serde_json::{Value, json};

use crate::Fault;
use crate::http::Connection;

/// Of each car park.
const PLACES: u32 = 1_000_000;

pub struct City {
    // Dropped in this order.
    server: Server,
    pub facilities: Vec<String>,
    /// Of each: the way in and the way out.
    lanes: [&'static str; 2],
    _stage: Stage,
}

impl City {
    /// So many car parks in one process.
    pub async fn open(count: usize, environment: &[(&str, &str)]) -> Result<Self, Fault> {
        let stage = stage("");
        let launch = stage.launch();
        let launch = environment.iter().fold(launch, |launch, (name, value)| launch.environment(name, value));
        let server = launch.start()?;
        Self::of(stage, server, count).await
    }

    /// The same on all services, with one process for all roles: as one has it on a machine of two cores.
    pub async fn on_services(count: usize) -> Result<Self, Fault> {
        // The services are started by code that waits, and that has a runtime of its own.
        let stage = tokio::task::spawn_blocking(anew).await?;
        let server = stage.launch().arguments(&["--role", "api,relay,projector,processes"]).start()?;
        Self::of(stage, server, count).await
    }

    async fn of(stage: Stage, server: Server, count: usize) -> Result<Self, Fault> {
        let mut connection = Connection::open(server.address).await?;
        let mut facilities = Vec::with_capacity(count);
        for _ in 0..count {
            let mut car_park = car_park(PLACES);
            // No visit costs money: one passage is one command, as where the handler alone is measured.
            car_park["layout"]["pools"][0]["chargeable"] = json!(false);
            let variables = json!({ "input": car_park });
            let asked = json!({ "query": mutation("registerFacility"), "variables": variables });
            let answer: Value = serde_json::from_slice(connection.post(&asked.to_string()).await?)?;
            let facility = answer["data"]["registerFacility"]["facilityId"].as_str();
            facilities.push(facility.ok_or_else(|| format!("no facility was made: {answer}"))?.to_owned());
        }
        Ok(Self { server, facilities, lanes: ["in", "out"], _stage: stage })
    }

    /// With the car parks that were imported: at most 500.
    pub async fn with_history(stage: Stage, server: Server) -> Result<Self, Fault> {
        let asked = json!({ "query": "{ facilities(first: 500) { nodes { id } } }" });
        let mut connection = Connection::open(server.address).await?;
        let answer: Value = serde_json::from_slice(connection.post(&asked.to_string()).await?)?;
        let nodes = answer["data"]["facilities"]["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let facilities = nodes.iter().filter_map(|node| node["id"].as_str()).map(str::to_owned).collect();
        Ok(Self { server, facilities, lanes: ["entry", "exit"], _stage: stage })
    }

    /// What a gate sends that saw a ticket at the n-th car park; they are counted round.
    pub fn passage(&self, number: usize, way: Way, ticket: &str) -> String {
        let facility = &self.facilities[number % self.facilities.len()];
        let (lane, direction) = match way {
            Way::In => (self.lanes[0], "ENTRY"),
            Way::Out => (self.lanes[1], "EXIT"),
        };
        // Written by hand, as a gate would: building the same text as a tree costs the client more than the server.
        format!(
            "{{\"query\":\"mutation($input:RecordPassageInput!){{recordPassage(input:$input){{position repeated \
             refusal{{code}}}}}}\",\"variables\":{{\"input\":{{\"commandId\":\"{}\",\"facilityId\":\"{facility}\",\
             \"lane\":\"{lane}\",\"direction\":\"{direction}\",\"credentials\":[{{\"ticket\":\"{ticket}\"}}],\
             \"happenedAt\":\"{}\"}}}}}}",
            id(),
            now_plus(0)
        )
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }
}

/// Which way a vehicle passes.
#[derive(Clone, Copy)]
pub enum Way {
    In,
    Out,
}

/// Whether a passage was stored.
pub fn is_stored(answer: &[u8]) -> bool {
    const REFUSED_NOT: &[u8] = br#""refusal":null"#;
    answer.windows(REFUSED_NOT.len()).any(|part| part == REFUSED_NOT)
}
