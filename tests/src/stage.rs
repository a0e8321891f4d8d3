//! Where an end-to-end test plays: a data folder, a server on it, a client, and a small car park.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use octocity_adapters::clock::{SystemClock, new_command_id};
use octocity_commands::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Client};
use crate::server::{Launch, Server};

/// How long what comes by itself may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test, built if it is not.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| built(&[]))
}

/// Builds the binary, for speed where we are; says where it is.
pub fn built(arguments: &[&str]) -> PathBuf {
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "octocity", "--locked"])
        .args(profile)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the binary does not build");
    // This test runs from <target>/<profile>/deps.
    let own = std::env::current_exe().expect("a test has a path");
    let profile = own.ancestors().nth(2).expect("a test lies below the target folder");
    profile.join(format!("octocity{}", std::env::consts::EXE_SUFFIX))
}

/// A folder that is removed at the end.
pub struct Stage {
    pub folder: TempDir,
    program: &'static Path,
    /// What its servers do; None: everything.
    roles: Option<&'static str>,
}

impl Default for Stage {
    fn default() -> Self {
        Self::of(binary())
    }
}

impl Stage {
    pub fn of(program: &'static Path) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), program, roles: None }
    }

    #[must_use]
    pub fn with_roles(self, roles: &'static str) -> Self {
        Self { roles: Some(roles), ..self }
    }

    /// What the commands and servers of this stage are configured by.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.config(), text).expect("a configuration");
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("octocity.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn launch(&self) -> Launch {
        let launch = Launch::new(self.program, &self.data());
        let launch = match self.roles {
            Some(roles) => launch.arguments(&["--role", roles]),
            None => launch,
        };
        match self.config() {
            config if config.exists() => launch.environment("OCTOCITY_CONFIG", &config.to_string_lossy()),
            _ => launch,
        }
    }

    pub fn start(&self) -> Running {
        Running::of(self.launch().start().unwrap_or_else(|sentence| panic!("{sentence}")))
    }

    /// Runs the binary on this folder, to its end.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(self.program);
        command.args(arguments).arg("--data").arg(self.data()).current_dir(self.folder.path());
        // The doctor looks whether the address is free, and the usual one may be taken.
        command.env("OCTOCITY_LISTEN", "127.0.0.1:0");
        command.output().expect("the binary starts")
    }

    /// What every read model table says, as hashes.
    pub fn hashes(&self) -> Value {
        let output = self.command(&["hash", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str::<Value>(last).expect("the last line is JSON")["tables"].clone()
    }
}

/// A server with a client of it.
pub struct Running {
    pub server: Server,
    pub client: Client,
}

impl Running {
    pub fn of(server: Server) -> Self {
        let client = Client::new(server.url("/graphql"));
        Self { server, client }
    }

    /// Sends a mutation of one field with an input; says its payload.
    #[track_caller]
    pub fn sends(&self, field: &str, input: &Value) -> Value {
        let answer = self.client.graphql(&mutation(field), json!({ "input": input }));
        answer.data()[field].clone()
    }

    /// Sends what must be accepted.
    #[track_caller]
    pub fn does(&self, field: &str, input: &Value) -> Value {
        let payload = self.sends(field, input);
        assert_eq!(payload["refusal"], Value::Null, "{field} is refused");
        payload
    }

    /// Sends what must be refused for business reasons; says the refusal's code.
    #[track_caller]
    pub fn refused(&self, field: &str, input: &Value) -> String {
        let payload = self.sends(field, input);
        let message = payload["refusal"]["message"].as_str().unwrap_or_default();
        assert!(message.ends_with('.'), "a refusal says what to do: {payload}");
        payload["refusal"]["code"].as_str().expect("a refusal has a code").to_owned()
    }

    /// Sends what cannot be served; says the error's code, and that it is a clear sentence.
    #[track_caller]
    pub fn errs(&self, field: &str, input: &Value) -> String {
        error_code(&self.client.graphql(&mutation(field), json!({ "input": input })))
    }

    /// Asks again where the rows are not yet where the query wants them: its own wait is bounded.
    #[track_caller]
    pub fn query(&self, query: &str, variables: Value) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.client.graphql(query, variables.clone());
            if answer.code() != Some("POSITION_NOT_REACHED") || begun.elapsed() > PATIENCE {
                return answer.data().clone();
            }
        }
    }

    /// The counts of the car park's one pool, as of a position.
    #[track_caller]
    pub fn occupancy(&self, facility: &str, after: &Value) -> Value {
        let query = "query ($facility: ID!, $after: String) {
            occupancy(facilities: [$facility], after: $after) {
                inside visits unidentified granted held free overCapacity full closed stale position
            }
        }";
        self.query(query, json!({ "facility": facility, "after": after }))["occupancy"][0].clone()
    }
}

/// The code of the one error of an answer.
#[track_caller]
pub fn error_code(answer: &Answer) -> String {
    let message = answer.body["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "an error says what is wrong: {}", answer.body);
    answer.code().unwrap_or_else(|| panic!("an error has a code: {}", answer.body)).to_owned()
}

/// A mutation of one field, asking for what every test may want to see.
pub fn mutation(field: &str) -> String {
    let special = match field {
        "registerFacility" | "changeLayout" | "setPolicies" | "activateTariff" => "facilityId",
        "enterGate" | "exitGate" | "overrideGate" => "grantId visitId pool ground { kind leaveBy }",
        "recordPassage" => "visitId irregularities",
        "correctOccupancy" => "ledger unidentifiedChange toReview",
        "reportLostTicket" | "correctCredentials" | "reviewVisit" => "visitId",
        "reserveSpot" | "cancelReservation" => "reservationId",
        "authorizePayment" | "capturePayment" | "refundPayment" | "voidPayment" => {
            "paymentId outcome status declineReason"
        }
        _ => "",
    };
    let mut name = field.to_owned();
    name[..1].make_ascii_uppercase();
    let input = match field {
        "takeSpotOutOfService" => "SpotServiceInput".to_owned(),
        "returnSpotToService" => "ReturnSpotInput".to_owned(),
        _ => format!("{name}Input"),
    };
    format!(
        "mutation ($input: {input}!) {{ {field}(input: $input) {{
            position repeated {special}
            refusal {{ code message visitId quote {{ owed {{ amountMinor }} pricedAt }} }}
        }} }}"
    )
}

/// A new command id, as a client makes it.
pub fn id() -> String {
    new_command_id().to_string()
}

/// The present, as a client writes it; so many seconds later.
pub fn now_plus(seconds: i64) -> String {
    SystemClock.now().plus_seconds(seconds).to_string()
}

/// The input of a command at a facility, under a new id, with more fields.
pub fn input(facility: &str, more: Value) -> Value {
    let mut input = json!({ "commandId": id(), "facilityId": facility });
    merge(&mut input, more);
    input
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(fields), Value::Object(more)) = (into.as_object_mut(), more) {
        fields.extend(more);
    }
}

/// A car park of one pool: `in` and `out` see the passage, `column` grants it.
pub fn car_park(places: u32) -> Value {
    json!({
        "commandId": id(), "operator": "city", "name": "Old Market", "zone": "Europe/Prague", "currency": "CZK",
        "layout": {
            "areas": [{ "id": "deck", "name": "Deck", "level": "1" }],
            "pools": [{ "id": "day", "name": "Day", "places": places, "reservablePlaces": places / 2 }],
            "spots": [{ "id": "d1", "area": "deck", "pool": "day", "kind": "ev" }],
            "lanes": [
                { "id": "in", "name": "In", "to": "deck", "pool": "day" },
                { "id": "out", "name": "Out", "to": "deck", "pool": "day" },
                { "id": "column", "name": "Column", "to": "deck", "pool": "day", "detector": false }
            ]
        }
    })
}

/// Registers it; its id, once it is known to queries.
#[track_caller]
pub fn opened(running: &Running, places: u32) -> String {
    let payload = running.does("registerFacility", &car_park(places));
    let facility = payload["facilityId"].as_str().expect("an id").to_owned();
    eventually("a car park is known", || {
        let query = "query ($facility: ID!) { occupancy(facilities: [$facility]) { inside } }";
        let answer = running.client.graphql(query, json!({ "facility": facility }));
        answer.body["data"]["occupancy"][0]["inside"] == json!(0)
    });
    facility
}

pub fn plate(text: &str) -> Value {
    json!({ "plate": { "text": text } })
}

/// Asks again until it holds.
#[track_caller]
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
