//! What can be typed after `octocity`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::parked::{PARKED_HELP, ParkedKeys};

const OVERVIEW_EXAMPLES: &str = "\
Examples:
  octocity demo                                  a demonstration city; open http://127.0.0.1:8090/
  octocity serve --data /var/lib/octocity        the same server for your own car parks
  octocity import gates --format aps gates.log   feed the log of a real garage
  octocity import occupancy counts.csv.gz --json
  octocity doctor                                what is wrong here, and what to do

Configuration, each stronger than the one before it:
  1. the file octocity.toml of the current folder, or the one named by --config
  2. environment: OCTOCITY_DATA, OCTOCITY_LISTEN, OCTOCITY_LOG, OCTOCITY_RETENTION_DAYS,
     OCTOCITY_QUEUE, OCTOCITY_CONNECTIONS, OCTOCITY_GATEWAY, OCTOCITY_TOKENS
     (name=sha256hex,...); OCTOCITY_CONFIG names the file
  3. the flags below
  An unknown key is an error. The file's keys:
    data = \"./octocity-data\"     listen = \"127.0.0.1:8090\"     log = \"info\"
    retention_days = 7           queue = 4096                  connections = 10000
    gateway = \"simulated\"      # it moves no money; without the key no payment begins
    [eventstoredb]               # the event log; without it, in data
    url = \"esdb://127.0.0.1:2113?tls=true\"    user = \"octocity\"    namespace = \"\"
    password_file = \"/run/secrets/eventstoredb\"
    [postgres]                   # read models, process state, snapshots; without it, in data
    host = \"127.0.0.1\"   port = 5432   user = \"octocity\"   database = \"octocity\"
    password_file = \"/run/secrets/postgres\"   # or all of it: url = \"postgresql://...\"
    schema = \"octocity\"   pool_size = 8   tls = true   ca_file = \"ca.pem\"
    [kafka]                      # where the log is published to; its partitions also cut the rows
                                 # in [postgres]: the same for all commands on one schema
    brokers = \"127.0.0.1:9092\"   partitions = 12   replication = 1   retention_hours = 168
    log_topic = \"octocity.log\"   events_topic = \"octocity.events\"   create_topics = true
    source = \"/octocity\"   relay = \"octocity.log-relay\"   group = \"octocity.log-projectors\"
    password_file = \"/run/secrets/kafka\"
    client = { \"security.protocol\" = \"sasl_ssl\", \"sasl.username\" = \"octocity\" }
    [clickhouse]                 # what answers analysts; without it, the read models
    url = \"http://127.0.0.1:8123\"   user = \"octocity\"   password_file = \"/run/secrets/clickhouse\"
    database = \"octocity\"   compression = true   keep_days = 1100   # facts; sums per day stay
    [tokens]                     # needed to listen on anything but this machine
    gate-camera-1 = \"<sha256 of the token, 64 hex digits>\"

Exit codes:
  0  done
  1  a fault of ours, or of the machine (a full disk), or (serve) a service that was waited for in
     vain; the message says what to do
  2  usage or configuration
  3  the data folder: written by a newer version, in use by another process, damaged, without its
     log or its process state, or (hash, rebuild) not there; the log in EventStoreDB, the schema in
     PostgreSQL, the database in ClickHouse: newer, not ours, or of another log
  4  the input file: missing, unreadable, cut off, or without a line that can be imported
  5  doctor found problems; (rebuild, parked) keys stand still at an event that cannot be applied;
     (--compare-only) rows differ

With --json the last line of standard output is one JSON object; on failure it is
{\"error\":{\"exit_code\":…,\"message\":…}}.
Progress goes to standard error: a bar on a terminal; elsewhere, of rebuild and migrate, a
line every 10 seconds.";

/// Runs a city's car parks: every gate passage, booking and payment is an event in a log.
#[derive(Debug, Parser)]
#[command(name = "octocity", version, after_help = OVERVIEW_EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "it is an address with its port such as 127.0.0.1:8090; names are not taken")
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// The data folder; made if it is missing [default: ./octocity-data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// The address to serve on [default: 127.0.0.1:8090]
    #[arg(long, value_name = "ADDR", global = true, value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// The configuration file [default: octocity.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// End standard output with one JSON object
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server: GraphQL, the live page, health and metrics
    #[command(after_help = "\
Answers on
  /               the live page
  /graphql        GraphQL by POST and GET, subscriptions by SSE and WebSocket (graphql-transport-ws)
  /graphiql       an editor to try queries in
  /health/live    200 while the process runs
  /health/ready   200 once projections and processes have caught up and while the roles of this
                  process can work; 503 with what is wrong, and which service is away, once
                  a fault has stopped one of them for some seconds. With the role api it is
                  200 while commands can be stored and rows read, though Kafka or ClickHouse
                  be away, or a relay beside it have ended (octocity_relay_ended)
  /metrics        Prometheus text

Register a car park and look at it; a command's id is a UUIDv7 that its client makes:
  hex() { od -An -N\"$1\" -tx1 /dev/urandom | tr -d ' \\n'; }
  id=$(printf '%012x7%.3s8%.15s' \"$(date +%s)000\" \"$(hex 2)\" \"$(hex 8)\")
  ask() { curl -s http://127.0.0.1:8090/graphql -H 'content-type: application/json' \\
    -d \"$(echo \"$1\" | tr '\\n' ' ')\"; echo; }
  ask '{ \"query\": \"mutation ($input: RegisterFacilityInput!) {
           registerFacility(input: $input) { facilityId refusal { message } } }\",
    \"variables\": { \"input\": { \"commandId\": \"'$id'\", \"operator\": \"city\",
      \"name\": \"Old Market\", \"zone\": \"Europe/Prague\", \"currency\": \"CZK\",
      \"layout\": { \"pools\": [{ \"id\": \"day\", \"name\": \"Day\", \"places\": 120 }] } } } }'
  ask '{ \"query\": \"{ facilities { nodes { id name occupancy { inside free } } } }\" }'

A connection that sends no whole request header for 10 seconds is closed; a body may take 30 (408).
Beyond the configured 'connections' further clients wait until one ends. The limit of open files is
raised to fit them; where it cannot be, fewer are taken, and the log says how many.

A service that does not answer at the start may boot still: it is waited for, for two minutes at
most, and /health/ready says which it is. Gates do not wait for Kafka and ClickHouse.

Ctrl-C or SIGTERM stops it cleanly: it takes no more, answers what it has, and closes the log.
To listen beyond this machine, configure tokens first:
  printf %s \"$TOKEN\" | sha256sum                 the hash to put under [tokens]")]
    Serve(ServeArgs),
    /// Run the server with a demonstration city whose traffic flows
    #[command(after_help = "\
On the first start it registers eight car parks of one city, with pools, levels, lanes and tariffs
in EUR; a minute stands for an hour. Simulated drivers reserve, come and go, pay, are turned away,
or are let out by an attendant. The choices come from --seed; the times are those of your clock.
Traffic is limited to --passages-per-second, and a run stops it once it has stored --max-events
events, so that a demo left running fills no disk (half a million take about 300 MB, after some
hours). Delete the data folder to start anew.")]
    Demo(DemoArgs),
    /// Feed recorded data through the same commands as live traffic
    #[command(subcommand)]
    Import(Import),
    /// Make read models anew from the log
    #[command(after_help = REBUILD_HELP)]
    Rebuild(RebuildArgs),
    /// Keys of read models that stand still at an event: list them, retry them, skip the event
    #[command(subcommand, after_help = PARKED_HELP)]
    Parked(ParkedKeys),
    /// Bring the log and what processes remember to where the configuration says
    #[command(after_help = MIGRATE_HELP)]
    Migrate(MigrateArgs),
    /// Row count and hash of every read model table
    #[command(after_help = "\
The hash is over what the rows say, in key order, not where a store put them: the same history
gives the same hashes after any rebuild or interruption.
With --json: {\"tables\":[{\"name\":…,\"rows\":…,\"hash\":…},…]}")]
    Hash,
    /// Measure this machine: commands, projections and live latency beside their bare limits
    #[command(after_help = BENCH_HELP)]
    Bench(BenchArgs),
    /// Print the GraphQL schema (SDL)
    Schema,
    /// Say what is wrong with the configuration or the data folder, and what to do
    #[command(after_help = "\
Looks at the clock, the configuration, whether the address is free, the room on the disk, each
service that is configured, and every page, event and stream of the data folder (millions of events
take some seconds), unless it is in use. Where all is in services it also says which role nobody
has: what a relay, projector or the processes left undone for more than a minute is a problem.
It changes no data.
Exit code 5 when a problem was found, 0 when there is none.")]
    Doctor,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// All of it; the relay only where the configuration has a table [kafka]
    All,
    /// Serve GraphQL; other processes write the rows. Needs [postgres]
    Api,
    /// Publish the log to Kafka. Of several, one does. Needs [kafka]
    Relay,
    /// Write the read models; several share the log's partitions. Needs [kafka] and [postgres]
    Projector,
    /// Carry out what follows from events: deadlines, payments. Of several, one does. Needs [postgres]
    Processes,
    /// Tell ClickHouse the facts that analysts' figures are made of. Needs [clickhouse]
    Analytics,
}

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// What this process does; several with commas between
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    pub role: Vec<Role>,
    /// Where process state was lost: go on at the log's end, and drop every deadline, hold and payment
    /// step that was planned and not done
    #[arg(long)]
    pub processes_from_now: bool,
}

const REBUILD_HELP: &str = "\
Without a name all views are rebuilt, and their file is made anew: so damage in it is mended. Read
models hold nothing of their own: after a rebuild their rows are equal. Compare `octocity hash`
before and after. No server may run on a data folder meanwhile. With [eventstoredb] and [postgres]
servers may, and their readers, whatever position they wait for, see the rows grow anew from
none; --blue-green spares them that.

--blue-green folds one view beside the live one, compares the rows of both as of one position, and
puts the new ones in the place of the live ones in one transaction. With [eventstoredb] and
[postgres] servers run on meanwhile, and go on from the new rows by themselves. The new ones stand
in the schema of [postgres] with '_green' behind it, those kept with '_blue'; in a data folder in
readmodels.green.db and readmodels.blue.db. Kill it at any time and start it again: it goes on where
it was. It switches only to rows in which no key stands still that goes on in the live ones. What
was live is kept until the view is next rebuilt so; --back brings it to the log's end, and lets it
and the live rows change places.

'analytics' as the view stands for the facts in ClickHouse: they are told anew into a database
beside the live one, which takes its place; the one before is dropped, or kept with --blue-green.

Progress goes to standard error: a bar on a terminal, elsewhere a line every 10 seconds.
Exit code 5 when keys stand still at an event that cannot be applied, each named with the reason, or
when --compare-only found differences.
With --json: {\"views\":[…],\"events\":…,\"seconds\":…,\"parked\":[{\"view\":…,\"key\":…,\"stream\":…,
\"revision\":…,\"event_type\":…,\"error\":…},…]}; with --blue-green {\"view\":…,\"switched\":…,
\"events\":…,\"seconds\":…,\"form_changed\":…,\"live_rows\":…,\"new_rows\":…,
\"only_live\":…,\"only_new\":…,\"differing\":…,\"columns\":{…},\"live_parked\":[…],\"new_parked\":[…]}.";

#[derive(Clone, Debug, Args)]
pub struct RebuildArgs {
    /// The view to rebuild, or 'analytics' [default: all views]
    pub view: Option<String>,
    /// Beside the live rows; compare both, then switch. The next two go with it
    #[arg(long)]
    pub blue_green: bool,
    /// Compare, and leave the live rows as they are
    #[arg(long, requires = "blue_green")]
    pub compare_only: bool,
    /// Write every row that differs to this CSV file, with the names of the columns
    #[arg(long, value_name = "FILE", requires = "blue_green")]
    pub report: Option<PathBuf>,
    /// Go back to the rows from before the last switch; without --blue-green
    #[arg(long, conflicts_with = "blue_green")]
    pub back: bool,
}

const MIGRATE_HELP: &str = "\
--to eventstoredb brings every event and every answered command of log.db to the EventStoreDB of
[eventstoredb], as the next epoch of the same log. Ids, revisions and replies stay: a command that
is repeated is answered as before, and positions that clients hold are still understood. Then both
logs are read through and compared: how many events and commands, and a hash over each facility's
events in their order and over the ledger. Only where these are equal the log is opened there, and
log.db, which stays as it was, is refused from then on. Read models are made anew from the log; on
Kafka, name new topics.

--to postgres brings what processes remember (checkpoints, planned deadlines and payment steps,
parked streams, the simulated gateway's book) from processes.db to the schema of [postgres], in one
transaction, and compares it row by row; processes.db is called processes.moved.db from then on.
The log may stay in its file, or go along: --to eventstoredb,postgres.

No server may run on the folder meanwhile. Stop it at any time, also by kill -9, and start it again:
it goes on where it was. Cut over by starting octocity serve with the same --config and --data.
With --json: {\"log\":…,\"epoch\":…,\"events\":…,\"commands\":…,\"hash\":…,\"seconds\":…,
\"processes\":{\"effects\":…,\"checkpoints\":…,\"parked_streams\":…,\"gateway_calls\":…}}, of what
was brought; \"processes\":null where nothing was left to bring.";

/// Where what is in the data folder can be brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The log, to the server that the table [eventstoredb] names
    Eventstoredb,
    /// What processes remember, to the server that the table [postgres] names
    Postgres,
}

#[derive(Clone, Debug, Args)]
pub struct MigrateArgs {
    /// Both may be named, separated by a comma
    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    pub to: Vec<Target>,
}

#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where the drivers' choices come from: the same seed, the same choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many vehicles pass all lanes together in a second, at most
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub passages_per_second: u32,
    /// Stop the traffic, not the server, once this run has stored so many events
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub max_events: u64,
}

#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// How long each of the ten measurements runs, without its bare limit: the whole takes some
    /// twenty times as long
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub seconds: u64,
    /// Measure only a rebuild of all views of the data folder, which no server may use meanwhile
    #[arg(long, conflicts_with = "seconds")]
    pub rebuild: bool,
}

const BENCH_HELP: &str = "\
Ten measurements, one after another: commands per second with 1, 64, 256 and 1,024 callers, on one
facility and on 1,000; projected events per second; the latency from a gate's command to its
subscriber.

bare is the limit that the store sets: the same rows, bytes and indexes written to SQLite by one
thread with group commit, for as many waiting callers, without rules, ids or states. For the
projection it is bare upserts; for the latency one synced commit of the event, and one, not
synced, of the row. ratio is the median of octocity / bare, round by round.

--seconds is the time of a measurement, cut into three rounds; after each round the same is
written again bare, so that a machine that slows down slows both. Figures are medians over the
rounds. (The projection takes as long as its events need; the latency has half the time, and its
bare limit the other half.) A scratch folder beside the data folder is used and removed; the
data folder is left alone. With [postgres] configured the projection into it is measured too, beside
bare upserts into the same server, in a schema that is removed; with [kafka] the relay to it and,
with both, the projection from there, in topics that are removed; with [clickhouse] the rows of
facts that it is told, in a database that is removed.
With --json latencies are microseconds (_us).

With --rebuild the log of the data folder is folded into rows beside it, three times; bare are, each
time, one thread that reads every event, and bare upserts of the same rows. There ratio is
octocity / bare, in time. With --json: {\"rebuild\":{\"events\":…,\"seconds\":…,
\"bare_reading_seconds\":…,\"bare_upserts_seconds\":…,\"ratio\":…,\"ratio_min\":…,
\"ratio_max\":…}}.";

#[derive(Debug, Subcommand)]
pub enum Import {
    /// The log of a garage's gates: one passage a line
    #[command(after_help = GATES_HELP)]
    Gates(GatesArgs),
    /// Counts of car parks over time (CSV: SystemCodeNumber,Capacity,Occupancy,LastUpdated)
    #[command(after_help = OCCUPANCY_HELP)]
    Occupancy(OccupancyArgs),
}

const GATES_HELP: &str = "\
Every line ends as a passage, as a duplicate, or as a row of the report that says why. What
identifies a passage is its direction, card and swipe time; a line that tells it again (with another
time of creation or closing) is a duplicate. Importing the file again, or a later file that repeats
some of its lines, adds no event.

The garage is registered on the first import: one pool, lanes 'entry' and 'exit'. The first line's
own count opens the books. Where no line was created for more than 24 hours, the record has a hole:
nobody seen before it is vouched for any more. As an attendant would, the import then closes the
visits from before the hole and recounts with the controller's number; both are events that say so.

At the end it prints for each such period what was inside beside what the controller counted, and
how far apart they were after each new passage (with --json null where none was new). The report
holds lines that are not clean; an exit that no visit matched is a clean line, and is counted beside
the visits to review, which the query toReview of `octocity serve` lists with their reasons.

Examples:
  octocity import gates --format aps gates.log.gz --report report.csv
  octocity import gates gates.log --facility \"Harbour garage\" --pool cars --capacity 120";

const OCCUPANCY_HELP: &str = "\
Each car park of the file is registered on its first row. Its first count opens the books; every
later one becomes as many passages without credentials as the count moved, spread evenly over the
interval. Every passage is a command through the whole handler, with its durable append.

Rows that are malformed, negative, repeat a car park and time, or go back in time are in the report
and change nothing; rows over capacity are applied, and reported as such.

At the end it prints how many rows were usable, how many of these were known already (they are not
sent again, so that a repeat has few commands and no rate), and how many are in the report.

Stop it at any time, also by kill -9, and start it again: it goes on where it was. A car park's rows
up to the newest one imported are taken as known, so the file again, or a later one that overlaps,
adds nothing twice. Where a later file does not continue at the count that the car park has, its
first row is a recount.

Examples:
  octocity import occupancy counts.csv.gz --report report.csv
  octocity import occupancy counts.csv --json | tail -1";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GateFormat {
    /// `;`-separated controller log: created;direction;card;swipe;floor counts;...
    Aps,
}

#[derive(Clone, Debug, Args)]
pub struct GatesArgs {
    /// The log, plain or gzip
    pub file: PathBuf,
    #[arg(long, value_enum, default_value_t = GateFormat::Aps)]
    pub format: GateFormat,
    /// The garage's name; its id is derived from it
    #[arg(long, value_name = "NAME", default_value = "APS garage")]
    pub facility: String,
    /// The code of its one pool
    #[arg(long, value_name = "CODE", default_value = "all")]
    pub pool: String,
    /// The time zone of the times in the log (IANA name)
    #[arg(long, value_name = "ZONE", default_value = "Europe/Prague")]
    pub zone: String,
    /// The currency it charges in (ISO 4217)
    #[arg(long, value_name = "CODE", default_value = "CZK")]
    pub currency: String,
    /// How many places it has [default: nobody knows]
    #[arg(long, value_name = "PLACES")]
    pub capacity: Option<u32>,
    /// By how many seconds the entry lane's clock is ahead of the controller's
    #[arg(long, value_name = "SECONDS", default_value_t = 495, allow_negative_numbers = true)]
    pub entry_clock_ahead_seconds: i64,
    /// By how many seconds the exit lane's clock is ahead of the controller's
    #[arg(long, value_name = "SECONDS", default_value_t = 283, allow_negative_numbers = true)]
    pub exit_clock_ahead_seconds: i64,
    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Clone, Debug, Args)]
pub struct OccupancyArgs {
    /// The counts, plain or gzip
    pub file: PathBuf,
    /// The code of the one pool of each car park
    #[arg(long, value_name = "CODE", default_value = "all")]
    pub pool: String,
    /// The time zone of the times in the file (IANA name)
    #[arg(long, value_name = "ZONE", default_value = "Europe/London")]
    pub zone: String,
    /// The currency they charge in (ISO 4217)
    #[arg(long, value_name = "CODE", default_value = "GBP")]
    pub currency: String,
    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Write what was not clean, row by row, to this CSV file [default: only a summary is printed]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_line_of_the_help_breaks_in_a_terminal_of_100_columns() {
        let mut open = vec![Cli::command()];
        while let Some(command) = open.pop() {
            let taught = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in taught.lines() {
                assert!(line.chars().count() <= 100, "{}: {line}", command.get_name());
            }
            open.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn common_flags_are_understood_after_the_command() {
        let cli = Cli::parse_from(["octocity", "hash", "--data", "/somewhere", "--json"]);
        assert_eq!(cli.common.data, Some(PathBuf::from("/somewhere")));
        assert!(cli.common.json);
    }
}
