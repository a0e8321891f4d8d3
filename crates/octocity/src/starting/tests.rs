use std::iter::empty;

use super::*;
use crate::args::Common;

fn config() -> Config {
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    Config::load(&Common { listen, ..Common::default() }, empty()).unwrap()
}

fn away() -> Failure {
    Failure::usage("PostgreSQL cannot be reached; start it.").of_service("PostgreSQL")
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_is_waited_for_but_not_for_ever() {
    let config = config();
    let (mut starting, mut asked) = (Starting::new(&config), 0);
    let there = starting.once_there(async || {
        asked += 1;
        if asked < 5 { Err(away()) } else { Ok(asked) }
    });
    assert_eq!(there.await, Ok(5));
    assert!(starting.waits().borrow().is_none());
    let ended = starting.once_there(async || Err::<(), _>(away())).await.unwrap_err();
    assert!(ended.is_fault() && ended.message == away().message, "{ended:?}");
    let waited = starting.begun.unwrap().elapsed();
    assert!((PATIENCE..=PATIENCE + LONGEST_PAUSE).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_configured_wrongly_is_refused_at_once() {
    let (config, begun) = (config(), Instant::now());
    let wrong = Failure::usage("PostgreSQL does not let the user in.");
    let refused = Starting::new(&config).once_there(async || Err::<(), _>(wrong.clone())).await;
    assert_eq!((refused, begun.elapsed()), (Err(wrong), Duration::ZERO));
}
