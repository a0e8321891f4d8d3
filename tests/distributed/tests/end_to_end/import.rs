//! Recorded data through the commands gives the rows of one process, whoever writes them.

use octocity_tests::stage::{Stage, eventually};
use octocity_tests_distributed::services::on_one_log;
use octocity_tests_distributed::{run, sample, stage};

fn import(stage: &Stage) {
    for (kind, file) in [("occupancy", "occupancy.csv"), ("gates", "gates.log")] {
        let imported = run(stage, &["import", kind, &sample(file)]);
        assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    }
}

#[test]
fn an_import_gives_the_rows_of_one_process() {
    let one_process = stage("");
    import(&one_process);
    let wanted = one_process.hashes();
    let [imported, followed] = on_one_log();
    // The import writes its rows itself.
    import(&imported);
    assert_eq!(imported.hashes(), wanted);
    // Projectors write theirs over Kafka.
    let running = followed.start();
    eventually("the projectors have the log", || {
        let events = running.server.metric("octocity_reader_events_total");
        events > Some(200.0) && running.server.metric("octocity_projection_lag_seconds") == Some(0.0)
    });
    assert_eq!(running.server.stop(), Ok(Some(0)));
    assert_eq!(followed.hashes(), wanted);
}
