//! Whole imports on a log in memory: the hand-made samples always, the real files where they lie beside the project.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use octocity_adapters::clock::SystemClock;
use octocity_commands::{Handler, HandlerOptions};
use octocity_domain::{Category, FacilityId, PoolId};
use octocity_log::memory::MemoryLog;
use octocity_log::{EventLog, LogId, Position};

use super::feed::{Feed, facility_id};
use super::gates::GateImport;
use super::lines::Lines;
use super::occupancy::OccupancyImport;
use super::periods::Periods;
use super::report::Report;
use super::summary::Summary;
use crate::args::{Cli, Command, Common, GatesArgs, Import, OccupancyArgs};
use crate::config::Config;
use clap::Parser;
use octocity_projections::Query;
use octocity_projections::parking::OccupancyRow;

/// A log with a handler, as after a fresh start.
struct Bench {
    log: Arc<dyn EventLog>,
    handler: Arc<Handler>,
}

impl Bench {
    fn new() -> Self {
        Self::on(Arc::new(MemoryLog::new(LogId(uuid::Uuid::from_u128(7)))))
    }

    fn on(log: Arc<dyn EventLog>) -> Self {
        let handler = Handler::new(Arc::clone(&log), None, Arc::new(SystemClock), HandlerOptions::default());
        Self { log, handler }
    }

    /// The process died, and starts again on what was stored.
    fn restarted(&self) -> Self {
        Self::on(Arc::clone(&self.log))
    }

    async fn gates(&self, file: &Path) -> (Summary, Periods, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        let feed = Feed::new(Arc::clone(&self.handler), "import-gates");
        let report = Report::try_new(Some(&path), file).unwrap();
        let mut import = GateImport::try_new(feed, &self.log, &gates_args(file), report).await.unwrap();
        import.run(Lines::open(file).unwrap(), || {}).await.unwrap();
        import.report().finish(crate::output::Output { json: false }).unwrap();
        (import.summary, import.periods.clone(), rows(&path))
    }

    async fn occupancy(&self, file: &Path) -> (Summary, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        let feed = Feed::new(Arc::clone(&self.handler), "import-occupancy");
        let report = Report::try_new(Some(&path), file).unwrap();
        let bar = indicatif::ProgressBar::hidden();
        let args = occupancy_args(file);
        let mut import = OccupancyImport::try_new(feed, Arc::clone(&self.log), &args, report, bar).unwrap();
        import.run(Lines::open(file).unwrap()).await.unwrap();
        import.report().finish(crate::output::Output { json: false }).unwrap();
        (import.summary, rows(&path))
    }

    /// As a new process finds it: another handler's cache may be older than the log.
    async fn inside(&self, source: &str, name: &str) -> (u32, Option<Option<u32>>) {
        let handler = self.restarted().handler;
        let facility: FacilityId = facility_id(source, name);
        let pool = PoolId::try_new("all").unwrap();
        let look = move |state: &octocity_domain::parking::ParkingState| {
            (state.pool(pool).inside(), state.pool(pool).places)
        };
        handler.look_at_parking(facility, look).await.unwrap()
    }

    async fn events(&self) -> usize {
        let (mut count, mut after) = (0, Position::default());
        loop {
            let page = self.log.read_all(after, 10_000, &[], &[]).await.unwrap();
            if page.events.is_empty() {
                return count;
            }
            count += page.events.len();
            after = page.next;
        }
    }
}

fn rows(report: &Path) -> Vec<String> {
    std::fs::read_to_string(report).unwrap().lines().skip(1).map(str::to_owned).collect()
}

fn gates_args(file: &Path) -> GatesArgs {
    let cli = Cli::parse_from(["octocity", "import", "gates", file.to_str().unwrap()]);
    match cli.command {
        Command::Import(Import::Gates(args)) => args,
        other => panic!("{other:?}"),
    }
}

fn occupancy_args(file: &Path) -> OccupancyArgs {
    let cli = Cli::parse_from(["octocity", "import", "occupancy", file.to_str().unwrap()]);
    match cli.command {
        Command::Import(Import::Occupancy(args)) => args,
        other => panic!("{other:?}"),
    }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)
}

/// A real file, if `shared/data` lies beside the project's folder.
fn real(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let file = root.join(name);
    if file.exists() {
        return Some(file);
    }
    println!("SKIPPED: {} is not there, so the real file is not run", file.display());
    None
}

fn kinds(rows: &[String]) -> Vec<(u64, String)> {
    let kind = |row: &String| {
        let mut fields = row.split(',');
        (fields.next().unwrap().parse().unwrap(), fields.next().unwrap().to_owned())
    };
    rows.iter().map(kind).collect()
}

#[tokio::test]
async fn every_line_of_the_gates_sample_is_a_passage_a_duplicate_or_reported() {
    let bench = Bench::new();
    let (summary, _, rows) = bench.gates(&sample("gates.log")).await;
    let expected = [
        (11, "malformed"),
        (12, "malformed"),
        (13, "malformed"),
        (14, "malformed"),
        (15, "malformed"),
        (16, "impossible_time"),
        (17, "impossible_time"),
        (18, "malformed"),
        (21, "truncated"),
    ];
    assert_eq!(kinds(&rows), expected.map(|(line, kind)| (line, kind.to_owned())));
    assert_eq!((summary.lines, summary.duplicates, summary.reported), (21, 2, 9));
    // 21 lines less 2 duplicates and 9 reported ones are 10 passages, of which the August ones are a second period.
    assert_eq!(bench.inside("gates", "APS garage").await.0, 43);
    assert!(rows.iter().all(|row| !row.contains(";40;")), "a card stands in the report: {rows:?}");
}

#[tokio::test]
async fn the_gates_sample_again_and_a_later_file_add_only_what_is_new() {
    let bench = Bench::new();
    let (first, _, _) = bench.gates(&sample("gates.log")).await;
    let stored = bench.events().await;
    let (again, _, _) = bench.restarted().gates(&sample("gates.log")).await;
    assert_eq!(again.events_added, 0);
    assert_eq!(again.duplicates, first.lines - first.reported);
    assert_eq!(bench.events().await, stored);
    let (later, _, _) = bench.restarted().gates(&sample("gates-later.log")).await;
    assert_eq!((later.lines, later.duplicates, later.events_added), (3, 1, 2));
    assert_eq!(bench.inside("gates", "APS garage").await.0, 43);
}

#[tokio::test]
async fn every_row_of_the_occupancy_sample_counts_or_is_reported() {
    let bench = Bench::new();
    let (summary, rows) = bench.occupancy(&sample("occupancy.csv")).await;
    let expected = [
        (4, "repeated"),
        (5, "negative"),
        (6, "over_capacity"),
        (8, "out_of_order"),
        (10, "negative"),
        (13, "malformed"),
        (14, "malformed"),
        (15, "impossible_time"),
        (16, "malformed"),
        (17, "malformed"),
        (18, "malformed"),
        (20, "over_capacity"),
        (21, "truncated"),
    ];
    assert_eq!(kinds(&rows), expected.map(|(line, kind)| (line, kind.to_owned())));
    assert_eq!((summary.lines, summary.duplicates, summary.reported), (20, 0, 13));
    assert_eq!(bench.inside("occupancy", "ALPHA01").await, (40, Some(Some(120))));
    assert_eq!(bench.inside("occupancy", "Bull, Ring").await.0, 7);
    assert_eq!(bench.inside("occupancy", "Broad Street").await.0, 51);
}

#[tokio::test]
async fn the_occupancy_sample_again_and_a_later_file_add_only_what_is_new() {
    let bench = Bench::new();
    bench.occupancy(&sample("occupancy.csv")).await;
    let stored = bench.events().await;
    let (again, _) = bench.restarted().occupancy(&sample("occupancy.csv")).await;
    assert_eq!((again.events_added, bench.events().await), (0, stored));
    let (later, _) = bench.restarted().occupancy(&sample("occupancy-later.csv")).await;
    // 2 more at ALPHA01, 11 fewer at Broad Street, and a recount at Bull Ring, where the record does not go on.
    assert_eq!((later.events_added, later.duplicates), (14, 3));
    assert_eq!(bench.inside("occupancy", "ALPHA01").await.0, 42);
    assert_eq!(bench.inside("occupancy", "Bull, Ring").await.0, 9);
    assert_eq!(bench.inside("occupancy", "Broad Street").await.0, 40);
}

#[tokio::test]
async fn an_import_that_broke_off_anywhere_ends_on_the_same_events() {
    let whole = Bench::new();
    whole.occupancy(&sample("occupancy.csv")).await;
    let text = std::fs::read_to_string(sample("occupancy.csv")).unwrap();
    for lines in [2, 3, 6, 11, 20] {
        let bench = Bench::new();
        let part = tempfile::NamedTempFile::new().unwrap();
        let beginning: String = text.split_inclusive('\n').take(lines).collect();
        std::fs::write(part.path(), beginning).unwrap();
        bench.occupancy(part.path()).await;
        bench.restarted().occupancy(&sample("occupancy.csv")).await;
        for name in ["ALPHA01", "Bull, Ring", "Broad Street"] {
            assert!(history(&bench, name).await == history(&whole, name).await, "{name} after {lines} lines");
        }
    }
}

/// What happened at a car park, without when it was decided.
async fn history(bench: &Bench, name: &str) -> Vec<(i64, String)> {
    let stream = octocity_log::StreamId::new(Category::Parking, facility_id("occupancy", name).uuid());
    let events = bench.log.read_stream(stream, 0, 100_000).await.unwrap();
    let movement = |event: &octocity_log::RecordedEvent| !event.event_type.ends_with("Set");
    let shown = |event: &octocity_log::RecordedEvent| {
        (event.meta.happened_at.millis(), String::from_utf8_lossy(&event.data).into_owned())
    };
    events.iter().filter(|event| movement(event)).map(shown).collect()
}

#[tokio::test]
async fn the_real_gate_log_ends_near_its_controller() {
    let Some(file) = real("aps-gate-events-2016-05-08.log.gz") else { return };
    let bench = Bench::new();
    let (summary, periods, rows) = bench.gates(&file).await;
    periods.say(crate::output::Output { json: false });
    assert_eq!((summary.lines, summary.duplicates, summary.reported), (6436, 3527, 0), "{rows:?}");
    let mean = periods.mean_difference().unwrap();
    assert!(mean < 3.0, "{mean}");
    let stored = bench.events().await;
    let (again, _, _) = bench.restarted().gates(&file).await;
    assert_eq!((again.events_added, again.duplicates), (0, 6436));
    assert_eq!(bench.events().await, stored);
}

/// Takes minutes without optimisation: 2.2 million commands, each through the handler.
#[tokio::test(flavor = "multi_thread")]
async fn the_real_counts_end_on_their_last_clean_rows() {
    let Some(file) = real("birmingham-occupancy-2016.csv.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let common = Common { data: Some(folder.path().join("data")), ..Common::default() };
    let config = Config::load(&common, std::iter::empty()).unwrap();
    let output = crate::output::Output { json: false };
    super::command::occupancy(&config, &occupancy_args(&file), output).await.unwrap();
    let expected = last_clean_counts(&file);
    assert_eq!(expected.len(), 30);
    assert_eq!(read_model_counts(&config).await, expected);
    let before = crate::node::Node::open(&config).await.unwrap().head();
    super::command::occupancy(&config, &occupancy_args(&file), output).await.unwrap();
    assert_eq!(
        crate::node::Node::open(&config).await.unwrap().head(),
        before,
        "a second import adds no event"
    );
}

/// Read without any of our parsers: the last row of each car park that is neither negative nor a repeat.
fn last_clean_counts(file: &Path) -> BTreeMap<FacilityId, i64> {
    let mut text = String::new();
    let mut packed = flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap());
    std::io::Read::read_to_string(&mut packed, &mut text).unwrap();
    let (mut seen, mut last) = (HashSet::new(), BTreeMap::new());
    for row in text.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let count: i64 = fields[2].parse().unwrap();
        if seen.insert((fields[0], fields[3])) && count >= 0 {
            last.insert(facility_id("occupancy", fields[0]), count);
        }
    }
    last
}

async fn read_model_counts(config: &Config) -> BTreeMap<FacilityId, i64> {
    let node = crate::node::Node::open(config).await.unwrap();
    let rows = Query::<OccupancyRow>::new().run(&*node.rows).await.unwrap().rows;
    rows.iter().map(|row| (row.facility, row.visits + row.unidentified)).collect()
}

#[tokio::test]
async fn a_garage_is_read_in_the_zone_and_into_the_pool_that_it_is_registered_with() {
    let bench = Bench::new();
    let file = sample("gates.log");
    bench.gates(&file).await;
    let before = bench.events().await;
    for (flag, value) in [("--zone", "UTC"), ("--pool", "other")] {
        let cli = Cli::parse_from(["octocity", "import", "gates", file.to_str().unwrap(), flag, value]);
        let Command::Import(Import::Gates(args)) = cli.command else { panic!("{:?}", cli.command) };
        let feed = Feed::new(Arc::clone(&bench.handler), "import-gates");
        let report = Report::try_new(None, &file).unwrap();
        let imported = match GateImport::try_new(feed, &bench.log, &args, report).await {
            Ok(mut import) => import.run(Lines::open(&file).unwrap(), || {}).await,
            Err(failure) => Err(failure),
        };
        let failure = imported.unwrap_err();
        assert!(failure.message.contains(flag), "{}", failure.message);
        assert_eq!(bench.events().await, before);
    }
    let refused = Report::try_new(Some(&file), &file).map(drop).unwrap_err();
    assert!(refused.message.contains("--report"), "{}", refused.message);
}
